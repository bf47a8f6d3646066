// A worker that ticks once per frame: timers of a page in the background are throttled, those of a worker are not.

const FRAMES_PER_SECOND = 30;

setInterval(() => postMessage(null), 1000 / FRAMES_PER_SECOND);
