// The page of scripts/report: a tab a view, drawn when it is chosen. Data stand in #data as scripts/report_data.py made them.
"use strict";
(function () {
  const DATA = JSON.parse(document.getElementById("data").textContent);
  const TIER_COLOURS = ["#8C8C8C", "#0072B2", "#E69F00", "#D55E00", "#CC79A7", "#009E73", "#56B4E9", "#000000"];
  const RUN_COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#117733"];
  const KIND_COLOURS = {
    forward: "#0072B2", backward: "#56B4E9", backward_input: "#56B4E9", backward_weight: "#88CCEE", optimizer: "#117733", wait: "#DADADA",
    send: "#F0E442", receive: "#F0E442", dispatch: "#882255", combine: "#AA4499", param_gather: "#E69F00", expert_gather: "#E69F00",
    shard_gather: "#E69F00", grad_reduce: "#D55E00", expert_reduce: "#D55E00", shard_reduce: "#D55E00", across_reduce: "#CC79A7",
    embedding_reduce: "#CC79A7", grad_norm: "#000000",
  };
  let charts = [];
  let run = 0;

  // Small things.
  const page = document.getElementById("page");
  const number = (value, digits = 4) => (value === null || value === undefined ? "–"
    : Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(Number(value).toPrecision(digits))));
  const last = (list) => list[list.length - 1];
  const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
  function time(ms) {
    if (ms === null || ms === undefined) return "–";
    return Math.abs(ms) >= 1000 ? `${number(ms / 1000)} s` : Math.abs(ms) >= 1 || ms === 0 ? `${number(ms)} ms` : `${number(ms * 1000)} µs`;
  }
  const watts = (kW) => (kW >= 1000 ? `${number(kW / 1000)} MW` : `${number(kW)} kW`);
  function add(parent, tag, text, name) {
    const element = document.createElement(tag);
    if (text !== undefined && text !== null) element.textContent = text;
    if (name) element.className = name;
    parent.appendChild(element);
    return element;
  }
  function card(title, note) {
    const section = add(page, "section", null, "card");
    add(section, "h2", title);
    if (note) add(section, "p", note, "note");
    return section;
  }
  function chart(parent, option, height, id) {
    const box = add(parent, "div", null, "chart");
    if (height) box.style.height = `${height}px`;
    if (id) box.id = id;
    const drawn = echarts.init(box, null, { renderer: "canvas" });
    // What a formatter returns is shown as HTML; names are those of whoever wrote the topology.
    const tooltip = { ...option.tooltip }, say = tooltip.formatter;
    if (say) tooltip.formatter = (p) => echarts.format.encodeHTML(say(p));
    drawn.setOption({ animation: false, textStyle: { fontFamily: "inherit" }, aria: { enabled: true }, ...option, tooltip });
    charts.push(drawn);
    return drawn;
  }
  function choice(parent, label, items, changed) {
    const box = add(parent, "label", `${label} `);
    const select = add(box, "select");
    items.forEach((item, i) => { add(select, "option", item).value = i; });
    select.addEventListener("change", () => changed(Number(select.value)));
    return select;
  }
  function table(parent, heads, rows, best) {
    const wide = add(parent, "div", null, "wide");
    const made = add(wide, "table");
    const head = add(add(made, "thead"), "tr");
    heads.forEach((text, i) => { add(head, "th", text).style.textAlign = rows.some((row) => Array.isArray(row[i])) ? "left" : ""; });
    const body = add(made, "tbody");
    rows.forEach((row) => {
      const line = add(body, "tr");
      row.forEach((value, i) => {
        const cell = add(line, "td", Array.isArray(value) ? value.join("\n") : value);
        if (Array.isArray(value)) { cell.className = "text"; cell.style.whiteSpace = "pre-line"; }
        if (best && best(row, i)) cell.classList.add("best");
      });
    });
    return made;
  }
  const zooms = (axes) => [{ type: "inside", xAxisIndex: axes, filterMode: "none" }, { type: "slider", xAxisIndex: axes, height: 18, bottom: 8, filterMode: "none" }];

  // Views.
  function figures(parent, items) {
    const grid = add(parent, "div", null, "figures");
    items.forEach(([value, text]) => {
      const box = add(grid, "div", null, "figure");
      add(box, "b", value);
      add(box, "span", text);
    });
  }
  function summary(one) {
    const steps = one.steps;
    const items = [[time(last(steps.step_ms)), "last step"], [one.gpus.toLocaleString("en"), "GPUs at work"]];
    if (one.training && last(steps.mfu) !== null) {
      items.push([`${number(last(steps.mfu) * 100, 3)} %`, "MFU"], [number(last(steps.tokens_per_s_gpu)), "tokens a second and GPU"]);
    }
    items.push([watts(last(steps.site_kW)), "drawn by the site"], [`${number(Math.max(...last(steps.busiest)) * 100, 3)} %`, "use of the busiest link"]);
    figures(page, items);
    const words = card("In words");
    words.id = "words";
    one.words.forEach((text) => add(words, "p", text));
    const box = card("Steps", "How long each step takes.");
    chart(box, {
      grid: { left: 70, right: 20, top: 20, bottom: 60 }, tooltip: { trigger: "axis", valueFormatter: time },
      xAxis: { type: "category", name: "step", nameLocation: "middle", nameGap: 22, data: steps.step_ms.map((_, i) => i) },
      yAxis: { type: "value", name: "ms", scale: steps.step_ms.length > 30, min: steps.step_ms.length > 30 ? undefined : 0 },
      dataZoom: steps.step_ms.length > 30 ? zooms([0]) : [],
      series: [{ type: "bar", data: steps.step_ms, itemStyle: { color: "#0072B2" }, barMaxWidth: 40 }],
    }, 260, "chart-steps");
    jobCosts(one);
  }
  function jobCosts(one) {
    if (!one.jobs) return;
    const box = card("What jobs cost each other", "Time that transfers of a job (row) lost to transfers of a job (column), over the run. What is hidden behind work costs no step.");
    table(box, ["transfers of", ...one.jobs.names.map((name) => `to ${name}`)],
      one.jobs.names.map((name, i) => [name, ...one.jobs.cost_ms[i].map(time)]));
  }
  function stacked(names, colours, categories, values, axis) {
    return {
      grid: { left: 70, right: 220, top: 20, bottom: 60 }, legend: { type: "scroll", orient: "vertical", right: 0, top: 10 },
      tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, valueFormatter: time },
      xAxis: { type: "category", data: categories, name: axis, nameLocation: "middle", nameGap: 24 }, yAxis: { type: "value", name: "ms" },
      dataZoom: categories.length > 40 ? zooms([0]) : [],
      series: names.map((name, i) => ({ name, type: "bar", stack: "all", data: values[i], itemStyle: { color: colours[i] }, barMaxWidth: 60 })),
    };
  }
  function parts(one) {
    const p = one.parts;
    const box = card("Where a step goes", "Mean over the GPUs; the parts sum to their step. Each is what the whole machine lost by one thing; a part below zero is a delay that an earlier one had already paid for.");
    chart(box, stacked(p.names, p.colours, one.steps.step_ms.map((_, i) => i), p.steps, "step"), 400, "chart-parts");
    if (p.stages.length > 1) {
      const by = card("By pipeline stage", "Last step: mean over the GPUs of a stage.");
      chart(by, stacked(p.names, p.colours, p.stages, p.by_stage, "stage"), 360, "chart-stages");
    }
    if (p.slowest.length > 0) {
      const slow = card("GPUs that were slow themselves", "Last step: time beyond nominal speed by noise, stragglers and faults of the GPU itself.");
      table(slow, ["GPU", "node", "slot", "stage", "replica", "lost"], p.slowest.map((g) => [g.gpu, g.node, g.slot, g.pp, g.dp, time(g.ms)]));
    }
  }
  function lane(stream) {
    return stream === "compute" ? 0 : /receive|send/.test(stream) ? 1 : 2;
  }
  function timeline(one) {
    const t = one.timeline;
    const note = `Step ${t.step.join(", ")}. Of each GPU three lanes: work and waits; messages between pipeline stages; exchanges and collectives. Zoom with the wheel or the sliders, click for details.`
      + (t.left_out ? ` ${t.left_out} more GPUs are in the trace and not drawn.` : "") + " scripts/export brings all of it to Perfetto.";
    const box = card("Timeline of chosen GPUs", note);
    const details = add(box, "p", "Click an operation.", "note");
    details.id = "operation";
    const LANES = [[0.06, 0.46], [0.54, 0.18], [0.74, 0.2]];
    const lanes = t.streams.map(lane);
    const shift = t.streams.map((stream, i) => (lanes[i] === 1 ? t.streams.slice(0, i).filter((s) => lane(s) === 1).length : 0));
    const colours = t.kinds.map((kind) => KIND_COLOURS[kind] || "#999999");
    function rectangle(params, api) {
      const row = api.value(0), stream = api.value(1);
      const begin = api.coord([api.value(3), row]), end = api.coord([api.value(4), row]);
      const height = api.size([0, 1])[1], [top, part] = LANES[lanes[stream]];
      const quarter = lanes[stream] === 1 ? part / 4 : part;
      const shape = { x: begin[0], y: begin[1] - height / 2 + height * (top + (lanes[stream] === 1 ? shift[stream] * quarter : 0)),
        width: Math.max(end[0] - begin[0], 0.4), height: height * quarter * 0.94 };
      const c = params.coordSys;
      const cut = echarts.graphic.clipRectByRect(shape, { x: c.x, y: c.y, width: c.width, height: c.height });
      if (!cut) return undefined;
      return { type: "rect", shape: cut, style: { fill: colours[api.value(2)] } };
    }
    function describe(cell) {
      const kind = t.kinds[cell[2]];
      const named = kind === "wait" ? `wait${cell[8] >= 0 ? ` for ${t.kinds[cell[8]]}` : ""} (${cell[9]})` : kind;
      const more = [cell[5] >= 0 ? `microbatch ${cell[5]}` : "", cell[6] > 0 ? `chunk ${cell[6]}` : "", cell[10] >= 0 ? `with GPU ${cell[10]}` : "",
        cell[11] > 0 ? `${number(cell[11] / 1e6)} MB` : ""].filter(Boolean).join(", ");
      return `${t.gpus[cell[0]]}: ${named.replace(/_/g, " ")}${more ? `, ${more}` : ""}: ${time(cell[4] - cell[3])}, from ${time(cell[3])} on`;
    }
    const height = Math.min(1500, Math.max(300, 130 + t.gpus.length * 44));
    const end = Math.max(...t.cells.map((cell) => cell[4]));
    const drawn = chart(box, {
      grid: { left: 190, right: 60, top: 12, bottom: 64 },
      tooltip: { formatter: (p) => describe(p.value) },
      xAxis: { type: "value", name: "ms", min: 0, max: end }, yAxis: { type: "category", inverse: true, data: t.gpus, axisTick: { show: false } },
      dataZoom: [...zooms([0]), { type: "slider", yAxisIndex: 0, width: 14, right: 8, filterMode: "none", startValue: 0, endValue: Math.min(23, t.gpus.length - 1) }],
      series: [{ type: "custom", renderItem: rectangle, data: t.cells, encode: { x: [3, 4], y: 0 }, progressive: 4000, clip: true }],
    }, height, "chart-timeline");
    drawn.on("click", (p) => { details.textContent = describe(p.value); });
    const used = new Set(t.cells.map((cell) => cell[2]));
    const legend = add(box, "div", null, "controls");
    t.kinds.forEach((kind, i) => {
      if (!used.has(i)) return;
      const item = add(legend, "span", ` ${kind.replace(/_/g, " ")}`);
      const square = document.createElement("span");
      square.style.cssText = `display:inline-block;width:11px;height:11px;margin-right:3px;background:${colours[i]}`;
      item.prepend(square);
    });
    whyWaited(t);
  }
  function whyWaited(t) {
    const sums = new Map();
    t.cells.forEach((cell) => {
      if (t.kinds[cell[2]] !== "wait") return;
      const key = `${cell[8] >= 0 ? t.kinds[cell[8]].replace(/_/g, " ") : "nothing"}\t${cell[9]}`;
      const sum = sums.get(key) || [0, 0];
      sums.set(key, [sum[0] + cell[4] - cell[3], sum[1] + 1]);
    });
    if (sums.size === 0) return;
    const box = card("What these GPUs waited for", "Waits between operations of the compute stream, by what ended them and the part of the step that most of each is.");
    table(box, ["waited for", "mostly", "waits", "in all", "a GPU"], [...sums].sort((a, b) => b[1][0] - a[1][0]).map(([key, sum]) =>
      [...key.split("\t"), sum[1].toLocaleString("en"), time(sum[0]), time(sum[0] / t.gpus.length)]));
  }
  // Links, by name, over the intervals of a step: coloured by use.
  function inTime(s, links) {
    return {
      animation: false, grid: { left: 270, right: 90, top: 12, bottom: 60 }, tooltip: { formatter: (p) => `${links.names[p.value[1]]} at ${time(s.ms[p.value[0]])}: ${number(p.value[2], 3)} % used, delay ${time(p.value[3])}` },
      xAxis: { type: "category", data: s.ms.map((x) => number(x, 3)), name: "ms" }, yAxis: { type: "category", inverse: true, data: links.names },
      visualMap: { dimension: 2, min: 0, max: 100, right: 0, top: 20, calculable: true, inRange: { color: ["#fff3c4", "#E69F00", "#D55E00", "#7a1f00"] } },
      dataZoom: zooms([0]), series: [{ type: "heatmap", data: links.cells, progressive: 4000 }],
    };
  }
  function congestion(one) {
    const c = one.congestion;
    const box = card("Links in time", "Mean load of a tier's links, and the fullest of them (up to the next 5 %); below, what transfers lost in time in each sampling interval. What lies before 0 belongs to the step, too: it begins behind the last synchronisation of the one before. Zoom with the wheel or the slider."
      + (c.left_out ? ` ${c.left_out} more steps differ and are not drawn.` : ""));
    if (c.steps.length === 0) { add(box, "p", "This run has no sampling intervals."); return; }
    const controls = add(box, "div", null, "controls");
    const heat = card("How busy links are, in time", "Links of a tier by how much of an interval they carry: the darker, the more of them. Idle links are left out.");
    const heatControls = add(heat, "div", null, "controls");
    const hot = card("The hottest links in time", "Those that cost most while they were among the hottest of an interval; coloured by use.");
    let step = c.steps.length - 1, tier = 0, direction = 0, first, second, third, fourth, asked;
    choice(controls, "step", c.steps.map((s) => (s.again.length > 1 ? `${s.step} (and ${s.again.length - 1} equal to it)` : s.step)), (i) => { step = i; draw(); }).value = step;
    choice(heatControls, "tier", c.tiers, (i) => { tier = i; draw(); });
    choice(heatControls, "direction", ["up", "down"], (i) => { direction = i; draw(); });
    function draw() {
      const s = c.steps[step];
      const begin = Math.min(0, s.ms[0]); // intervals begin behind the norm of the step before
      const delayed = s.delay_ms.some((of) => of.some((ms) => ms > 0));
      const lines = [];
      c.tiers.forEach((name, i) => {
        const colour = TIER_COLOURS[one.tiers.indexOf(name)];
        ["up", "down"].forEach((way, d) => {
          lines.push({ name: `${name} ${way}, mean`, type: "line", step: "end", showSymbol: false, data: s.ms.map((x, k) => [x, s.load[i][d][k]]), lineStyle: { color: colour, width: 1.6, type: d ? "dashed" : "solid" }, itemStyle: { color: colour } });
          lines.push({ name: `${name} ${way}, fullest`, type: "line", step: "end", showSymbol: false, data: s.ms.map((x, k) => [x, s.fullest[i][d][k]]), lineStyle: { color: colour, width: 0.8, opacity: 0.6, type: d ? "dashed" : "solid" }, itemStyle: { color: colour, opacity: 0.6 } });
        });
        if (delayed) lines.push({ name: `${name}, delay`, type: "bar", xAxisIndex: 1, yAxisIndex: 1, stack: "delay", data: s.ms.map((x, k) => [x, s.delay_ms[i][k]]), itemStyle: { color: colour }, barMaxWidth: 8 });
      });
      const option = {
        animation: false, tooltip: { trigger: "axis", valueFormatter: (v) => number(v) }, axisPointer: { link: [{ xAxisIndex: "all" }] },
        legend: { type: "scroll", top: 0 }, grid: [{ left: 60, right: 20, top: 40, height: delayed ? 230 : 370 }, { left: 60, right: 20, top: 310, height: 110, show: delayed }],
        xAxis: [{ type: "value", min: begin, max: s.end_ms, gridIndex: 0 }, { type: "value", min: begin, max: s.end_ms, gridIndex: 1, name: "ms of the step", nameLocation: "middle", nameGap: 22, show: delayed }],
        yAxis: [{ type: "value", name: "load (%)", min: 0, max: 100, gridIndex: 0 }, { type: "value", name: "delay (ms)", gridIndex: 1, show: delayed }],
        dataZoom: zooms([0, 1]), series: lines,
      };
      if (first) first.setOption(option, true); else first = chart(box, option, 500, "chart-congestion");
      const bins = s.bins[tier][direction], cells = [];
      let most = 1;
      bins.forEach((row, k) => row.forEach((n, bin) => { if (bin > 0 && n > 0) { cells.push([k, bin - 1, n]); most = Math.max(most, n); } }));
      const busy = {
        animation: false, grid: { left: 60, right: 90, top: 12, bottom: 60 }, tooltip: { formatter: (p) => `${time(s.ms[p.value[0]])}: ${p.value[2].toLocaleString("en")} links ${p.value[1] * 5} to ${(p.value[1] + 1) * 5} % busy` },
        xAxis: { type: "category", data: s.ms.map((x) => number(x, 3)), name: "ms", nameLocation: "end" }, yAxis: { type: "category", data: bins[0].slice(1).map((_, i) => `${(i + 1) * 5} %`) },
        visualMap: { min: 1, max: Math.max(most, 2), right: 0, top: 20, calculable: true, inRange: { color: ["#e6f1f8", "#56B4E9", "#0072B2", "#002b45"] } },
        dataZoom: zooms([0]), series: [{ type: "heatmap", data: cells, progressive: 4000 }],
      };
      if (second) second.setOption(busy, true); else second = chart(heat, busy, 330, "chart-busy");
      const use = inTime(s, s.hot);
      if (third) third.setOption(use, true); else third = chart(hot, use, 90 + Math.max(4, s.hot.names.length) * 22, "chart-hot");
      if (!s.chosen) return;
      if (!asked) asked = card("Chosen links in time", "Those of trace.links that carry most, coloured by use.");
      const kept = inTime(s, s.chosen);
      if (fourth) fourth.setOption(kept, true); else fourth = chart(asked, kept, 90 + Math.max(4, s.chosen.names.length) * 22, "chart-chosen");
    }
    draw();
  }
  function fabric(one) {
    const box = card("Fabric, coloured by load", "Last step. Pale: the mean of a tier's links; framed or named: the busiest.");
    if (one.picture) { const image = add(box, "img"); image.src = one.picture; image.alt = "the fabric, its cables coloured by their use"; image.id = "fabric"; }
    else add(box, "p", "The fabric is not drawn: scripts/report found no program to ask what it is (--program).", "note");
    const used = one.fabric.filter((row) => row.most > 0);
    const spread = card("How load spreads over links", "Links of each tier and direction by how much of the step they carry; idle links are left out.");
    chart(spread, {
      grid: { left: 80, right: 190, top: 20, bottom: 50 }, legend: { type: "scroll", orient: "vertical", right: 0 }, tooltip: { trigger: "axis" },
      xAxis: { type: "category", data: Array.from({ length: 20 }, (_, i) => `${i * 5}–${i * 5 + 5} %`), axisLabel: { rotate: 40 } }, yAxis: { type: "log", min: 0.5, name: "links" },
      series: used.map((row) => ({ name: `${row.tier} ${row.direction}`, type: "bar", data: row.bins.slice(1).map((n) => n || null), itemStyle: { color: TIER_COLOURS[one.tiers.indexOf(row.tier)], opacity: row.direction === "up" ? 1 : 0.55 } })),
    }, 300, "chart-spread");
    const tiers = card("Tiers");
    table(tiers, ["tier", "direction", "links", "rate", "bytes", "mean use", "busiest", "delay of transfers"],
      one.fabric.map((r) => [r.tier, r.direction, r.links.toLocaleString("en"), r.rate, r.bytes, `${number(r.mean, 3)} %`, `${number(r.most, 3)} %`, time(r.delay_ms)]));
    const hottest = card("The hottest links, and because of whom", "Last step: most delay first. Users: what for, from GPU to GPU.");
    table(hottest, ["link", "tier", "links", "use", "delay", "bytes", "users"], one.hottest.map((h) =>
      [h.name, h.tier, h.width, `${number(h.load, 3)} %`, time(h.delay_ms), h.bytes, h.users]));
  }
  function collectives(one) {
    const c = one.collectives;
    const names = [...new Set(c.points.map((p) => p[0]))];
    const box = card("Collectives", "Bus bandwidth as in nccl-tests against size." + (c.left_out ? ` ${c.left_out.toLocaleString("en")} more are in the trace and not drawn.` : ""));
    chart(box, {
      grid: { left: 80, right: 30, top: 50, bottom: 60 }, legend: { type: "scroll", top: 0 },
      tooltip: { formatter: (p) => `${p.seriesName}, ${p.value[5]} members: ${number(p.value[1])} B in ${time(p.value[3])}, ${number(p.value[2])} GB/s, ${number(p.value[4], 3)} times as long as alone` },
      xAxis: { type: "log", name: "bytes", nameLocation: "middle", nameGap: 26 }, yAxis: { type: "value", name: "GB/s" },
      series: names.map((name, i) => ({ name, type: "scatter", symbolSize: 7, data: c.points.filter((p) => p[0] === name).map((p) => [p[0], ...p.slice(1)]), encode: { x: 1, y: 2 }, itemStyle: { color: RUN_COLOURS[i % 8], opacity: 0.6 } })),
    }, 380, "chart-collectives");
    table(box, ["collective", "members", "bytes", "how many", "mean", "longest", "bus bandwidth", "against alone"], c.table.map((r) =>
      [r.name, r.members, r.bytes, r.count, time(r.ms), time(r.most_ms), `${number(r.bus_GBps)} GB/s`, `× ${number(r.slowdown, 3)}`]));
  }
  function flows(one) {
    const f = one.flows;
    const box = card("Flows", `${f.count.toLocaleString("en")} flows: how many are no faster than so much (left), take no longer than so many times the time alone (right).`);
    const line = (x, i, name, colour) => ({ type: "line", step: "end", showSymbol: false, xAxisIndex: i, yAxisIndex: i, name, data: x.map((v, k) => [v, f.share[k]]), lineStyle: { color: colour } });
    chart(box, {
      grid: [{ left: 60, width: "40%", top: 20, bottom: 50 }, { right: 30, width: "40%", top: 20, bottom: 50 }], tooltip: { trigger: "axis" },
      xAxis: [{ type: "value", name: "GB/s", gridIndex: 0, scale: true }, { type: "value", name: "times", gridIndex: 1, scale: true }],
      yAxis: [{ type: "value", max: 100, name: "% of flows", gridIndex: 0 }, { type: "value", max: 100, gridIndex: 1 }],
      series: [line(f.GBps, 0, "goodput", "#0072B2"), line(f.slowdown, 1, "slowdown", "#D55E00")],
    }, 320, "chart-flows");
    table(box, ["from rank", "to rank", "bytes", "took", "against alone"], f.worst.map((r) => [r.source, r.destination, r.bytes, time(r.ms), `× ${number(r.slowdown, 3)}`]));
  }
  function power(one) {
    const p = one.power;
    const box = card("Power in time", "The site over a step, and its GPUs.");
    const controls = add(box, "div", null, "controls");
    let drawn;
    function draw(i) {
      const w = p.waves[i];
      const line = (name, values, colour) => ({ name, type: "line", step: "end", showSymbol: false, areaStyle: { opacity: 0.08 }, lineStyle: { color: colour }, itemStyle: { color: colour }, data: values.map((v, k) => [w.ms * k / values.length, v]) });
      const option = {
        animation: false, grid: { left: 80, right: 20, top: 40, bottom: 70 }, legend: { top: 0 }, tooltip: { trigger: "axis", valueFormatter: watts },
        xAxis: { type: "value", min: 0, max: w.ms, name: "ms of the step", nameLocation: "middle", nameGap: 24 }, yAxis: { type: "value", name: "kW", min: 0 },
        dataZoom: zooms([0]), series: [line("site", w.site_kW, "#0072B2"), line("GPUs", w.gpus_kW, "#E69F00")],
      };
      if (drawn) drawn.setOption(option, true); else drawn = chart(box, option, 340, "chart-power");
    }
    choice(controls, "step", p.waves.map((w) => w.step), draw).value = p.waves.length - 1;
    draw(p.waves.length - 1);
    const energy = card("What the energy of a step goes into", "Last step, in kJ.");
    chart(energy, {
      grid: { left: 170, right: 60, top: 10, bottom: 30 }, tooltip: { valueFormatter: (v) => `${number(v)} kJ` }, xAxis: { type: "value" },
      yAxis: { type: "category", inverse: true, data: p.energy.map((e) => e[0]) },
      series: [{ type: "bar", label: { show: true, position: "right", formatter: (x) => number(x.value) }, data: p.energy.map((e) => ({ value: e[1], itemStyle: { color: e[2] } })) }],
    }, 60 + p.energy.length * 28, "chart-energy");
  }
  // All runs beside each other.
  function compare() {
    const runs = DATA.runs;
    const labels = runs.map((one) => one.label);
    const alike = new Set(runs.map((one) => one.job)).size === 1;
    const box = card("Runs beside each other", alike ? "Means over steps; the best of a row is green where one is better than the others." : "Means over steps. The runs are of different jobs: none is called better.");
    const rows = [];
    const row = (text, of, show, better) => {
      const values = runs.map(of);
      if (values.some((v) => v !== null && v !== undefined && !Number.isNaN(v))) rows.push({ text, values, show, better });
    };
    const some = (list) => (list && list.every((v) => v !== null) ? mean(list) : null);
    row("GPUs", (r) => r.gpus, (v) => v.toLocaleString("en"));
    row("step", (r) => mean(r.steps.step_ms), time, Math.min);
    row("longest step", (r) => Math.max(...r.steps.step_ms), time, Math.min);
    row("tokens a second and GPU", (r) => some(r.steps.tokens_per_s_gpu), number, Math.max);
    row("MFU", (r) => some(r.steps.mfu), (v) => `${number(v * 100, 3)} %`, Math.max);
    const names = [...new Set(runs.flatMap((r) => (r.parts ? r.parts.names : [])))];
    names.forEach((name) => row(name, (r) => (r.parts && r.parts.names.includes(name) ? mean(r.parts.steps[r.parts.names.indexOf(name)]) : null), time, name === "compute" ? null : Math.min));
    row("delay of transfers", (r) => mean(r.steps.delay_ms), time, Math.min);
    row("use of the busiest link", (r) => mean(r.steps.busiest.map((b) => Math.max(...b))) * 100, (v) => `${number(v, 3)} %`);
    row("site", (r) => mean(r.steps.site_kW), watts);
    const made = table(box, ["", ...labels], rows.map((r) => [r.text, ...r.values.map((v) => (v === null || v === undefined ? "–" : r.show(v)))]));
    made.id = "comparison";
    rows.forEach((r, i) => {
      const there = r.values.filter((v) => v !== null && v !== undefined);
      if (!alike || !r.better || there.length < 2 || new Set(there).size === 1) return;
      r.values.forEach((v, k) => { if (v === r.better(...there)) made.tBodies[0].rows[i].cells[k + 1].className = "best"; });
    });
    if (names.length > 0) {
      const colour = (name) => { const r = runs.find((x) => x.parts && x.parts.names.includes(name)); return r.parts.colours[r.parts.names.indexOf(name)]; };
      const bars = card("Where a step goes, run by run", "Mean over steps and GPUs.");
      chart(bars, stacked(names, names.map(colour), labels, names.map((name) => runs.map((r) => (r.parts && r.parts.names.includes(name) ? mean(r.parts.steps[r.parts.names.indexOf(name)]) : 0))), ""), 400, "chart-compare");
    }
    const steps = card("Steps of each run");
    chart(steps, {
      grid: { left: 70, right: 20, top: 40, bottom: 60 }, legend: { top: 0 }, tooltip: { trigger: "axis", valueFormatter: time },
      xAxis: { type: "value", name: "step", minInterval: 1 }, yAxis: { type: "value", name: "ms", scale: true }, dataZoom: zooms([0]),
      series: runs.map((r, i) => ({ name: r.label, type: "line", showSymbol: r.steps.step_ms.length < 60, data: r.steps.step_ms.map((v, k) => [k, v]), itemStyle: { color: RUN_COLOURS[i % 8] } })),
    }, 280, "chart-runs");
  }

  const VIEWS = [
    ["summary", "Summary", () => true, summary], ["parts", "Parts", (r) => r.parts, parts], ["timeline", "Timeline", (r) => r.timeline, timeline],
    ["congestion", "Congestion", () => true, congestion], ["fabric", "Fabric", () => true, fabric], ["collectives", "Collectives", (r) => r.collectives && r.collectives.points.length > 0, collectives],
    ["flows", "Flows", (r) => r.flows, flows], ["power", "Power", () => true, power], ["compare", "Compare", () => DATA.runs.length > 1, compare],
  ];
  function show(name) {
    charts.forEach((drawn) => drawn.dispose());
    charts = [];
    page.replaceChildren();
    const one = DATA.runs[run];
    document.getElementById("title").textContent = one.title;
    const there = VIEWS.filter((view) => view[2](one));
    const chosen = there.find((view) => view[0] === name) || there[0];
    const tabs = document.getElementById("tabs");
    tabs.replaceChildren();
    there.forEach((view) => {
      const button = add(tabs, "button", view[1]);
      button.id = `tab-${view[0]}`;
      button.setAttribute("role", "tab");
      button.setAttribute("aria-selected", String(view === chosen));
      button.addEventListener("click", () => show(view[0]));
    });
    page.dataset.view = chosen[0];
    chosen[3](one);
    try { window.history.replaceState(null, "", `#${chosen[0]}`); } catch (error) { /* a page inside another */ }
  }
  const select = document.getElementById("run");
  DATA.runs.forEach((one, i) => { add(select, "option", one.label).value = i; });
  document.getElementById("which").hidden = DATA.runs.length < 2;
  select.addEventListener("change", () => { run = Number(select.value); show(page.dataset.view); });
  window.addEventListener("resize", () => charts.forEach((drawn) => drawn.resize()));
  show(window.location.hash.slice(1));
}());
