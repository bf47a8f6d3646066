// A worker that ticks: pages in the background may not set timers of less than a second, workers may.

const FRAMES_PER_SECOND = 30;

setInterval(() => postMessage(null), 1000 / FRAMES_PER_SECOND);
