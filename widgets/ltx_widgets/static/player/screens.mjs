// Clips that run as one: each a media element, one of them the clock that the others follow. Knows no model.

import { h } from "../lib/dom.mjs";
import { followingRate } from "./playback.mjs";

// facts: of each clip. onTime(time_s, isPlaying) on every frame that is drawn and after every seek; onLoaded() once all
// can play; onUnplayable(index) for a file that this browser does not play. disposer releases everything.
export function createScreens(disposer, facts, { onTime, onLoaded, onUnplayable, onEnded }) {
  const players = facts.map((clip, index) => createScreen(disposer, clip, () => onUnplayable(index)));
  const longest = players.reduce((best, player) => (player.duration_s > best.duration_s ? player : best));
  let speed = 1;
  let isPlaying = false;
  let frameRequest = 0;
  // How fast it goes backwards, which no browser plays: by seeking, in silence.
  let reverse = 0;
  let reversed_ms = 0;

  const each = (callback) => players.forEach(callback);
  const report = () => onTime(longest.media.currentTime, isPlaying);

  function follow() {
    const time_s = longest.media.currentTime;
    for (const { media, duration_s } of players) {
      if (media === longest.media || media.seeking || time_s >= duration_s) continue;
      const rate = followingRate(speed, media.currentTime - time_s);
      if (rate === null) media.currentTime = time_s;
      else media.playbackRate = rate;
      if (media.paused) media.play().catch(() => {}); // it had ended, and the loop has begun again
    }
  }

  function tick() {
    if (!isPlaying) return;
    follow();
    report();
    frameRequest = requestAnimationFrame(tick);
  }

  function tickBack(now_ms) {
    if (!reverse) return;
    const at_s = Math.max(longest.wanted_s() - (reverse * (now_ms - reversed_ms)) / 1000, 0);
    reversed_ms = now_ms;
    screens.seek(at_s);
    if (at_s === 0) return onEnded();
    frameRequest = requestAnimationFrame(tickBack);
  }

  const screens = {
    elements: players.map(({ element }) => element),
    get isPlaying() {
      return isPlaying || reverse > 0;
    },
    get isLoaded() {
      return players.every(({ media }) => media.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA);
    },
    async play() {
      reverse = 0;
      isPlaying = true;
      try {
        const playing = players.filter(({ duration_s }) => longest.media.currentTime < duration_s);
        await Promise.all(playing.map(({ media }) => media.play()));
        tick();
      } catch {
        screens.pause();
      }
    },
    playBack(atSpeed) {
      if (isPlaying) screens.pause();
      cancelAnimationFrame(frameRequest);
      [reverse, reversed_ms] = [atSpeed, performance.now()];
      frameRequest = requestAnimationFrame(tickBack);
      onTime(longest.wanted_s(), true);
    },
    pause() {
      isPlaying = false;
      reverse = 0;
      cancelAnimationFrame(frameRequest);
      const time_s = longest.wanted_s();
      each(({ media }) => media.pause());
      // The very same moment, to compare; the clock too, which runs on for a moment after it is paused.
      if (players.length > 1) each((player) => player.seek(Math.min(time_s, player.duration_s)));
      report();
    },
    seek(time_s) {
      each((player) => player.seek(Math.min(time_s, player.duration_s)));
      onTime(time_s, isPlaying || reverse > 0);
    },
    setSpeed(value) {
      speed = value;
      each(({ media }) => (media.playbackRate = value));
    },
    // Which clip is heard; null for none.
    setHeard(heard) {
      each(({ media }, index) => (media.muted = index !== heard));
    },
    // Which clips are seen.
    setShown(isShown) {
      each(({ element }, index) => (element.hidden = !isShown(index)));
    },
    setFile: (index, content, mediaType) => players[index].setFile(content, mediaType),
    setFirst: (index, content) => players[index].setFirst(content),
    // What to draw over a clip's picture, or null for the clip itself.
    setOverlay(index, draw) {
      const { overlay } = players[index];
      overlay.hidden = !draw;
      draw?.(overlay);
    },
  };
  each(({ media }) => disposer.listen(media, "loadeddata", () => screens.isLoaded && onLoaded()));
  disposer.listen(longest.media, "ended", () => onEnded());
  disposer.add(() => {
    isPlaying = false;
    reverse = 0;
    cancelAnimationFrame(frameRequest);
  });
  return screens;
}

function createScreen(disposer, { has_video, aspect, duration_s }, onUnplayable) {
  const media = h(has_video ? "video" : "audio", { playsinline: has_video, preload: "auto", tabindex: -1 });
  const overlay = h("canvas", { class: "player-overlay", hidden: true });
  const style = has_video ? `--aspect: ${aspect}` : null;
  const element = h("div", { class: has_video ? "player-screen" : "player-sound-only", style }, media, overlay);
  const urls = { file: null, first: null };
  let wanted_s = null;
  let triedOther = false;

  function renewURL(name, content, type) {
    if (urls[name]) URL.revokeObjectURL(urls[name]);
    urls[name] = URL.createObjectURL(new Blob([content], { type }));
    return urls[name];
  }

  const askForOther = () => {
    if (triedOther) return;
    triedOther = true;
    onUnplayable();
  };
  disposer.listen(media, "error", () => media.error && askForOther());
  // While a seek runs, only the last of those that were asked for meanwhile is kept.
  disposer.listen(media, "seeked", () => {
    if (wanted_s !== null) media.currentTime = wanted_s;
    wanted_s = null;
  });
  disposer.add(() => {
    media.pause();
    media.removeAttribute("src");
    media.load();
    Object.values(urls).forEach((url) => url && URL.revokeObjectURL(url));
  });
  return {
    element,
    media,
    overlay,
    duration_s,
    // Where it is, or will be once the seeks that were asked for are done.
    wanted_s: () => wanted_s ?? media.currentTime,
    seek(time_s) {
      if (media.seeking) wanted_s = time_s;
      else media.currentTime = time_s;
    },
    // A file once more is for another view, unless it was asked for.
    setFile(content, mediaType) {
      if (urls.file && !triedOther) return;
      const time_s = media.currentTime;
      media.src = renewURL("file", content, mediaType);
      media.currentTime = time_s;
      if (mediaType === "video/mp4" && media.canPlayType('audio/mp4; codecs="mp4a.40.2"') === "") askForOther();
    },
    // The first frame, which is seen until the file is there; a clip that stands elsewhere has no use for it.
    setFirst(content) {
      if (has_video && !urls.first) media.poster = renewURL("first", content, "image/jpeg");
    },
  };
}
