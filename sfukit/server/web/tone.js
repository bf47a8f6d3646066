// A quiet tone with a beep at each whole second, when canvas.js flashes: lip sync can be judged.

const HUM_GAIN = 0.02;
const BEEP_GAIN = 0.25;
const BEEP_S = 0.08;
const NOTES_HZ = [220, 247, 262, 294, 330, 370, 392, 440];

// Returns {track, close}; `seed` selects the note.
export function tone(seed) {
  const context = new AudioContext();
  const sink = context.createMediaStreamDestination();
  const pitch_hz = NOTES_HZ[seed % NOTES_HZ.length];
  oscillator(context, pitch_hz, HUM_GAIN, sink).start();
  const timer = setInterval(() => beep(context, pitch_hz * 2, sink), 1000);
  resumeOnGesture(context);
  return {
    track: sink.stream.getAudioTracks()[0],
    close() {
      clearInterval(timer);
      context.close();
    },
  };
}

// Schedule the beep on the audio clock: timers fire some milliseconds late.
function beep(context, pitch_hz, sink) {
  const wait_s = 1 - (Date.now() % 1000) / 1000;
  const at = context.currentTime + wait_s;
  const source = oscillator(context, pitch_hz, BEEP_GAIN, sink);
  source.start(at);
  source.stop(at + BEEP_S);
}

function oscillator(context, frequency, gain, sink) {
  const source = new OscillatorNode(context, { frequency });
  source.connect(new GainNode(context, { gain })).connect(sink);
  return source;
}

// Browsers keep an AudioContext suspended until a user gesture (autoplay policy).
function resumeOnGesture(context) {
  const resume = () => context.state === "suspended" && context.resume();
  for (const gesture of ["pointerdown", "keydown"]) {
    addEventListener(gesture, resume, { once: true });
  }
}
