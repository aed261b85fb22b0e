// Draws the charts of a report from the JSON on the page; copies and saves architectures. Loads nothing.
"use strict";
const report = JSON.parse(document.getElementById("report").textContent);
const chartsJson = document.getElementById("charts").textContent;
const dark = matchMedia("(prefers-color-scheme: dark)");
const config = {
  responsive: true,
  displaylogo: false,
  showSendToCloud: false,
  plotlyServerURL: "",
  displayModeBar: matchMedia("(hover: hover)").matches ? "hover" : false,
  modeBarButtonsToRemove: ["lasso2d", "select2d", "zoomIn2d", "zoomOut2d", "autoScale2d"],
};
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function axisStyle() {
  const line = color("--line");
  return { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
}

function themed(layout) {
  const result = {
    ...layout,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 12, color: color("--ink") },
    margin: { l: 64, r: 16, t: layout.legend ? 60 : 30, b: 56 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: color("--soft"), activecolor: color("--ink") },
    hoverlabel: { align: "left", bgcolor: color("--paper"), bordercolor: color("--line"), font: { color: color("--ink") } },
  };
  if (result.scene) {
    result.margin = { l: 0, r: 0, t: 36, b: 0 };
    result.scene = structuredClone(result.scene);
    const eye = result.scene.camera.eye;
    if (innerWidth < 600) for (const axis of ["x", "y"]) eye[axis] *= 1.25;
    for (const key of ["xaxis", "yaxis", "zaxis"]) result.scene[key] = { ...result.scene[key], ...axisStyle() };
  } else {
    for (const key of ["xaxis", "yaxis"]) result[key] = result[key] || {};
    for (const key of Object.keys(result).filter((k) => /^[xy]axis\d*$/.test(k))) {
      result[key] = { ...result[key], ...axisStyle(), title: { ...result[key].title, standoff: 12 } };
    }
  }
  return result;
}

function onChosenAxes(chart, figure) {
  const layout = { ...chart.layout };
  const traces = chart.traces.map((trace) => ({ ...trace }));
  for (const select of figure.querySelectorAll("select")) {
    const axis = select.dataset.axis;
    const choice = chart.choices.find((c) => c.name === select.value);
    layout[axis + "axis"] = choice.axis;
    traces.forEach((trace, i) => {
      const column = chart.columns[i][choice.name];
      trace[axis] = column.values;
      if (column.errors.some((e) => e > 0)) {
        trace["error_" + axis] = { type: "data", array: column.errors, thickness: 1, width: 2 };
      }
    });
  }
  return [traces, layout];
}

function brighter(json) {
  return json.replaceAll("#0072B2", "#56B4E9").replaceAll("#D55E00", "#E69F00");
}

function draw() {
  for (const chart of JSON.parse(dark.matches ? brighter(chartsJson) : chartsJson)) {
    const figure = document.querySelector(`figure[data-chart="${chart.id}"]`);
    const [traces, layout] = chart.choices.length ? onChosenAxes(chart, figure) : [chart.traces, chart.layout];
    Plotly.react(figure.querySelector(".plot"), traces, themed(layout), config);
  }
}

function save(name, value) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(value, null, 2) + "\n"], { type: "application/json" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.body.appendChild(document.createElement("textarea"));
    area.value = text;
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const row = report.frontier && report.frontier[Number(button.dataset.copy || button.dataset.save) - 1];
  if (button.dataset.save === "all") save("report.json", report);
  else if (button.dataset.save) save(`${row.rank}-${row.id}.json`, row.architecture);
  else if (button.dataset.copy) {
    await copy(JSON.stringify(row.architecture));
    button.textContent = "copied";
    setTimeout(() => (button.textContent = "copy"), 1200);
  }
});
document.addEventListener("change", (event) => event.target.matches("select") && draw());
dark.addEventListener("change", draw);
draw();
