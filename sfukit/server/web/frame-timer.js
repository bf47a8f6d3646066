// A worker that ticks once per frame: browsers throttle timers of background pages, not of workers.

const FRAMES_PER_SECOND = 30;

setInterval(() => postMessage(null), 1000 / FRAMES_PER_SECOND);
