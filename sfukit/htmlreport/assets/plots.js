"use strict";
(() => {
  const HEIGHT = 200;
  const charts = [];
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (index) => css(`--c${index % 6}`);

  function shadeSpans(chart, spans) {
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    spans.forEach(([name, start, end], index) => {
      const from = Math.max(bbox.left, chart.valToPos(start, "x", true));
      const to = Math.min(bbox.left + bbox.width, chart.valToPos(end, "x", true));
      if (to <= from) return;
      ctx.fillStyle = css("--shade");
      if (index < spans.length - 1) ctx.fillRect(from, bbox.top, to - from, bbox.height);
      const width = ctx.measureText(name).width;
      ctx.fillStyle = css("--soft");
      if (width < to - from - 6) ctx.fillText(name, from + 4, bbox.top + 13 * devicePixelRatio);
    });
    ctx.restore();
  }

  function drawBounds(chart, bounds) {
    const { ctx, bbox } = chart;
    ctx.save();
    for (const [name, value] of bounds) {
      const y = chart.valToPos(value, "y", true);
      if (y < bbox.top || y > bbox.top + bbox.height) continue;
      ctx.strokeStyle = ctx.fillStyle = css("--bad");
      ctx.setLineDash([6, 4]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      ctx.textAlign = "right";
      ctx.textBaseline = "bottom";
      ctx.fillText(name, bbox.left + bbox.width - 4, y - 2);
    }
    ctx.restore();
  }

  function legend(figure, data) {
    const values = data.names.map(() => report.make("span", { className: "value" }));
    const buttons = data.names.map((name, index) => {
      const swatch = report.make("span", { className: "swatch" });
      const button = report.make("button", { type: "button" }, swatch,
        report.make("span", { className: "name", textContent: name }), values[index]);
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") === "false";
        button.setAttribute("aria-pressed", String(shown));
        figure.chart.setSeries(index + 1, { show: shown });
      });
      return button;
    });
    figure.querySelector(".legend").append(...buttons);
    const paint = () => buttons.forEach((button, index) => {
      button.firstChild.style.background = colour(index);
    });
    const read = (at) => values.forEach((value, index) => {
      value.textContent = at === null || at === undefined ? ""
        : report.show(data.values[index][at], data.unit);
    });
    return { paint, read };
  }

  function axes(data) {
    const stroke = css("--soft"), grid = { stroke: css("--edge"), width: 1 };
    const font = "11px system-ui, sans-serif", ticks = { show: false };
    return [
      { stroke, grid: { show: false }, ticks, font, space: 70, size: 28,
        values: (_, splits) => splits.map(report.time) },
      { stroke, grid, ticks, font, size: 68,
        values: (_, splits) => splits.map((value) => report.show(value, data.unit)) },
    ];
  }

  function options(figure, data, entries) {
    const highest = Math.max(...data.values.flat(), 0);
    const seen = data.bounds.map(([, value]) => value).filter((value) => value < 3 * highest);
    const top = Math.max(highest, ...seen) * 1.18 || 1;
    const single = data.times.length < 3;
    return {
      width: figure.querySelector(".chart").clientWidth || 300,
      height: HEIGHT,
      legend: { show: false },
      cursor: { sync: { key: "time" }, drag: { x: true, y: false }, points: { size: 6 } },
      scales: { x: { time: false }, y: { range: [0, top] } },
      axes: axes(data),
      series: [{}, ...data.names.map((name, index) => ({
        label: name, stroke: colour(index), width: 1.75, spanGaps: false,
        fill: data.filled && index === 0 ? `${colour(index)}22` : undefined,
        points: single ? { show: true } : { show: false },
      }))],
      hooks: {
        drawClear: [(chart) => shadeSpans(chart, data.spans)],
        draw: [(chart) => drawBounds(chart, data.bounds)],
        setCursor: [(chart) => entries.read(chart.cursor.idx)],
      },
    };
  }

  function draw(figure) {
    const { data, entries } = figure;
    figure.chart?.destroy();
    entries.paint();
    figure.chart = new uPlot(options(figure, data, entries), [data.times, ...data.values],
      figure.querySelector(".chart"));
    figure.querySelectorAll(".legend button").forEach((button, index) => {
      if (button.getAttribute("aria-pressed") === "false") figure.chart.setSeries(index + 1, { show: false });
    });
  }

  function fit(figure) {
    const width = figure.querySelector(".chart").clientWidth;
    if (figure.chart && width && width !== figure.chart.width) figure.chart.setSize({ width, height: HEIGHT });
  }

  for (const figure of document.querySelectorAll("figure.plot")) {
    figure.data = report.data(figure);
    figure.entries = legend(figure, figure.data);
    charts.push(figure);
  }
  // a plot is drawn once it is near the viewport, so that long reports open at once
  const near = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (!entry.isIntersecting || entry.target.chart) return;
    draw(entry.target);
  }), { rootMargin: "400px" });
  charts.forEach((figure) => near.observe(figure));
  addEventListener("resize", () => charts.forEach(fit));
  addEventListener("beforeprint", () => charts.forEach((figure) => figure.chart || draw(figure)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    charts.filter((figure) => figure.chart).forEach(draw);
  });
})();
