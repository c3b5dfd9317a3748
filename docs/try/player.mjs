// Plays a clip: frames in a canvas by the clock of the sound, over and over.

/** {show(clip), play(), pause(), seek(time_s), isPlaying, time_s}; onTime(time_s, isPlaying) as it goes. */
export function createPlayer(canvas, { request, sample_rate, num_samples }, onTime) {
  const { width, height, num_frames, frame_rate } = request;
  const duration_s = num_frames / frame_rate;
  const painter = canvas.getContext("2d");
  canvas.width = width;
  canvas.height = height;
  let clip = null;
  let audio = null;
  let gain = null;
  let source = null;
  let volume = 1;
  let offset_s = 0;
  let startedAt_s = 0;

  const player = {
    duration_s,
    get isPlaying() {
      return source !== null;
    },
    get time_s() {
      if (!source) return offset_s;
      // What is heard now was handed over a little earlier.
      const heard_s = audio.currentTime - (audio.outputLatency || 0) - startedAt_s;
      return (offset_s + Math.max(heard_s, 0)) % duration_s;
    },
    show(shown) {
      player.pause();
      clip = shown;
      offset_s = 0;
      draw();
    },
    setVolume(value) {
      volume = value;
      if (gain) gain.gain.value = value;
    },
    async play() {
      if (!clip || source) return;
      audio ??= new AudioContext();
      await audio.resume();
      const sound = audio.createBuffer(2, num_samples, sample_rate);
      for (const channel of [0, 1]) {
        sound.copyToChannel(clip.samples.subarray(channel * num_samples, (channel + 1) * num_samples), channel);
      }
      gain = new GainNode(audio, { gain: volume });
      source = new AudioBufferSourceNode(audio, { buffer: sound, loop: true });
      source.connect(gain).connect(audio.destination);
      startedAt_s = audio.currentTime;
      source.start(startedAt_s, offset_s);
      tick();
    },
    pause() {
      if (!source) return;
      offset_s = player.time_s;
      source.stop();
      source = null;
      onTime(offset_s, false);
    },
    async seek(time_s) {
      const resumes = player.isPlaying;
      player.pause();
      offset_s = Math.min(Math.max(time_s, 0), duration_s - 1 / frame_rate);
      draw();
      if (resumes) await player.play();
    },
  };

  function draw() {
    const time_s = player.time_s;
    const index = Math.min(Math.floor(time_s * frame_rate + 1e-6), num_frames - 1);
    const bytes = width * height * 4;
    const frame = new Uint8ClampedArray(clip.frames.buffer, clip.frames.byteOffset + index * bytes, bytes);
    painter.putImageData(new ImageData(frame, width, height), 0, 0);
    onTime(time_s, player.isPlaying);
  }

  function tick() {
    if (!source) return;
    draw();
    requestAnimationFrame(tick);
  }

  return player;
}
