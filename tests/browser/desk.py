"""The studio as browser tests know it: what to ask for, and when a clip is there."""

PROMPT = "A red ball bounces on the floor in front of a navy background. Each bounce makes a deep thump."
IS_IDLE = "shot.run_panel.state == 'idle' and not shot.run_panel.queue"
IS_LOADED = "() => document.querySelector('.ltx-player video')?.readyState >= 2"
