"use strict";
// Values with their units, as the text of the same report writes them.
const report = {
  data: (element) => JSON.parse(element.querySelector("script").textContent),

  make(name, properties, ...children) {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  },

  digits(value, significant = 3) {
    return value >= 1000 ? Math.round(value).toLocaleString("en")
      : String(Number(value.toPrecision(significant)));
  },

  show(value, unit) {
    if (value === null || value === undefined) return "unknown";
    const digits = report.digits;
    if (unit === "ratio") return `${digits(value * 100)} %`;
    if (unit === "bit/s") return value < 1e6 ? `${digits(value / 1e3)} kb/s` : `${digits(value / 1e6)} Mb/s`;
    if (unit === "bytes") return value < 1048576 ? `${digits(value / 1024)} KiB` : `${digits(value / 1048576)} MiB`;
    return `${digits(value)} ${unit}`.trim();
  },

  time(seconds) {
    const whole = Math.round(seconds);
    if (whole < 60) return `${digits1(seconds)} s`;
    const pad = (number) => String(number).padStart(2, "0");
    if (whole < 3600) return `${Math.floor(whole / 60)}m${pad(whole % 60)}`;
    return `${Math.floor(whole / 3600)}h${pad(Math.floor((whole % 3600) / 60))}`;
  },
};

function digits1(value) {
  return String(Math.round(value * 10) / 10);
}
