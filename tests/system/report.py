#!/usr/bin/python3
"""report.py MPIEXEC COLOSSIM CASE [FOLDER]: scripts/report.

Laws. `holds`: one file that names nothing outside itself; its data are those of the trace, and its sentences say them; of
several runs each has its data; what cannot be read is said in one line. `clicked`: the page opens in headless Chromium without
the network; each tab can be chosen, has the charts it should, each of them drawn (not blank), and nothing is complained of;
the wheel zooms the timeline and the links in time, a click says what an operation is, another run can be chosen, and the
comparison has a column for each. FOLDER: pictures of all tabs stay there.
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys

import h5py
import numpy as np

from browser import Browser
from emulator import JOBS, ROOT, TOPOLOGIES, claim, run_case

LAPTOP = TOPOLOGIES / "laptop-16.yaml"
VIEWS = {"summary": ["chart-steps"], "parts": ["chart-parts"], "timeline": ["chart-timeline"],
         "congestion": ["chart-congestion", "chart-busy", "chart-hot"], "fabric": ["chart-spread"],
         "collectives": ["chart-collectives"], "flows": ["chart-flows"], "power": ["chart-power", "chart-energy"],
         "compare": ["chart-runs"]}
OF_TRAINING = {"parts", "timeline", "collectives"}


def report(emulator, *arguments, good=True):
    done = subprocess.run([sys.executable, "-B", ROOT / "scripts" / "report", *map(str, arguments), "--program", emulator.colossim],
                          capture_output=True, text=True)
    claim((done.returncode == 0) == good, f"report {arguments}: {done.returncode}\n{done.stderr}")
    return done


def runs_of(page):
    """The data of a page."""
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    library = (ROOT / "scripts" / "report_page" / "echarts.min.js").read_text(encoding="utf-8")
    claim(text.count(library) == 1, "the library is inside")  # what it asks for is asked of the browser, see clicked
    own = text.replace(found.group(1), "").replace(library, "")
    outside = re.findall(r'(?:src|href)="(?!data:|#)[^"]*"|@import|url\(|https?:', own)
    claim(not outside, f"it names nothing outside: {outside[:5]}")
    return json.loads(found.group(1))["runs"]


def claim_data(one, path):
    with h5py.File(path) as file:
        step_ms = file["steps/duration_ps"][()] / 1e9
        claim(np.allclose(one["steps"]["step_ms"], step_ms, rtol=1e-5), f"{path}: durations of steps")
        if "timeline" in file:
            t = {name: file[f"timeline/{name}"][()] for name in ("step", "gpu", "begun_ps", "end_ps")}
            here = (t["step"] == file["steps/timeline_step"][-1]) & (t["end_ps"] > t["begun_ps"])
            claim(len(one["timeline"]["cells"]) == here.sum() and one["timeline"]["left_out"] == 0, f"{path}: all operations")
            took = sum(cell[4] - cell[3] for cell in one["timeline"]["cells"])
            claim(abs(took - (t["end_ps"] - t["begun_ps"])[here].sum() / 1e9) < 1e-3 * took, f"{path}: and their lengths")
        bytes_moved = file["intervals/bytes"][()].sum(axis=0) if len(file["intervals/bytes"]) else 0
        if "links/chosen_link" in file:
            cells = one["congestion"]["steps"][-1]["chosen"]
            claim(len(cells["names"]) > 0 and 0 < max(cell[2] for cell in cells["cells"]) <= 100.01, f"{path}: chosen links in time")
        if one["congestion"]["steps"]:
            s = one["congestion"]["steps"][0]
            claim(len(s["ms"]) == len(s["load"][0][0]) == len(s["bins"][0][0]) and np.sum(bytes_moved) > 0, f"{path}: intervals")
        said = " ".join(one["words"])
        claim(f"{one['gpus']:,} GPUs" in said and re.search(r"The busiest link is in tier \S+ \((up|down)\), used [\d.]+%", said), said)
        most = file["links/utilisation_max"][-1].max()
        claim(f"used {most:.1%} of the step" in said, f"{path}: the busiest link, {most}: {said}")


def write_traces(emulator):
    keep = {"trace__timeline": "[all]", "trace__links": "[leaf up]"}
    first = emulator.trace(LAPTOP, JOBS / "ddp-small.yaml", name="contiguous", **keep)
    second = emulator.trace(LAPTOP, JOBS / "ddp-small.yaml", name="slow", noise="on", noise__gpu_sigma="5 %", fabric__routing="ecmp", **keep)
    return first, second, emulator.trace(LAPTOP, JOBS / "traffic-permutation.yaml", name="traffic")


def holds(emulator):
    library = ROOT / "scripts" / "report_page" / "echarts.min.js"
    told = (library.parent / "README.md").read_text(encoding="utf-8")
    claim(hashlib.sha256(library.read_bytes()).hexdigest() in told, "the library is the one that is named")
    traces = [emulator.trace(LAPTOP, JOBS / "ddp-small.yaml", name="training", trace__timeline="[0, 9]", trace__links="[leaf]"),
              emulator.trace(LAPTOP, JOBS / "traffic-permutation.yaml", name="traffic")]
    page = emulator.folder / "all.html"
    report(emulator, *traces, "-o", page)
    runs = runs_of(page)
    claim(len(runs) == 2 and len({one["label"] for one in runs}) == 2, f"two runs: {[one['label'] for one in runs]}")
    for one, path in zip(runs, traces):
        claim_data(one, path)
        claim(one["picture"].startswith("data:image/png;base64,"), "the fabric is drawn")
    done = report(emulator, ROOT / "README.md", good=False)
    claim(done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr)


def claim_drawn(browser, chart):
    """More than a blank sheet: some pixels of its sheets are neither white nor clear."""
    coloured = browser.run("""
        const sheets = [...document.querySelectorAll(`#${arguments[0]} canvas`)];
        let n = 0;
        for (const sheet of sheets) {
            const bytes = sheet.getContext("2d").getImageData(0, 0, sheet.width, sheet.height).data;
            for (let i = 0; i < bytes.length; i += 4) {
                const [r, g, b] = [bytes[i], bytes[i + 1], bytes[i + 2]];
                n += bytes[i + 3] > 200 && Math.max(r, g, b) - Math.min(r, g, b) > 40;
            }
        }
        return n;""", chart)
    claim(coloured > 50, f"{chart} is drawn: {coloured} coloured pixels")


def click_through(browser, one, several, pictures, name):
    wanted = {view for view in VIEWS if (view in OF_TRAINING) <= one["training"] and (view != "flows" or one["flows"]) and
              (view != "compare" or several)}
    tabs = browser.run("return [...document.querySelectorAll('nav button')].map((b) => b.id.slice(4))")
    claim(set(tabs) == wanted, f"{name}: tabs {tabs}, wanted {sorted(wanted)}")
    for tab in tabs:
        browser.driver.find_element("id", f"tab-{tab}").click()
        claim(browser.run("return document.getElementById('page').dataset.view") == tab, f"{name}: {tab} is chosen")
        if pictures:
            browser.picture(pictures / f"{name}-{tab}.png")
        for chart in VIEWS[tab]:
            claim_drawn(browser, chart)
        if tab == "congestion" and one["training"]:
            claim_drawn(browser, "chart-chosen")
        claim(not browser.errors(), f"{name}: {tab}: {browser.errors()}")


def zoomed(browser, chart, wheel):
    """The part of the first axis that is shown, in per cent, after turning the wheel over the chart."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
    element = browser.driver.find_element("id", chart)
    browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    ActionChains(browser.driver).scroll_from_origin(ScrollOrigin.from_element(element, 0, -60), 0, wheel).perform()
    return browser.run("const z = echarts.getInstanceByDom(document.getElementById(arguments[0])).getOption().dataZoom[0]; return z.end - z.start", chart)


def clicked(emulator):
    browser = Browser()
    pictures = pathlib.Path(sys.argv[4]) if len(sys.argv) > 4 else None
    try:
        traces = write_traces(emulator)
        page = emulator.folder / "all.html"
        report(emulator, *traces, "-o", page)
        runs = runs_of(page)
        browser.open(page)
        for i, one in enumerate(runs):
            browser.run("const s = document.getElementById('run'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))", i)
            click_through(browser, one, True, pictures, f"run{i}")
        columns = browser.run("return [...document.querySelectorAll('#comparison th')].map((c) => c.textContent)")
        claim(columns[1:] == [one["label"] for one in runs], f"a column for each run: {columns}")
        claim(browser.run("return document.querySelectorAll('#comparison td.best').length") == 0, "unlike jobs have no best")
        report(emulator, *traces[:2], "-o", page)
        browser.open(page)
        browser.driver.find_element("id", "tab-compare").click()
        claim(browser.run("return document.querySelectorAll('#comparison td.best').length") > 3, "the best of a row is marked")
        browser.run("const s = document.getElementById('run'); s.value = 0; s.dispatchEvent(new Event('change'))")
        for tab, chart in ("timeline", "chart-timeline"), ("congestion", "chart-congestion"):
            browser.driver.find_element("id", f"tab-{tab}").click()
            claim(zoomed(browser, chart, -400) < 95, f"{chart}: the wheel zooms")
            claim_drawn(browser, chart)
        browser.driver.find_element("id", "tab-timeline").click()
        claim_told(browser)
        claim_text(emulator, browser)
        claim(not browser.errors() and not browser.requests(), f"no complaint, no network: {browser.requests()}")
    finally:
        browser.close()


def claim_told(browser):
    """A click on an operation says what it is."""
    from selenium.webdriver.common.action_chains import ActionChains
    element = browser.driver.find_element("id", "chart-timeline")
    browser.driver.set_window_size(1400, 1400)  # all of the chart in view, below the heading, which stays where it is
    browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    at = browser.run("""const chart = echarts.getInstanceByDom(document.getElementById("chart-timeline"));
        const cell = chart.getOption().series[0].data.find((c) => c[0] === 0 && c[1] === 0);
        const p = chart.convertToPixel("grid", [(cell[3] + cell[4]) / 2, 0]);
        return [p[0] - chart.getWidth() / 2, p[1] - chart.getHeight() / 2 - 6];""")
    ActionChains(browser.driver).move_to_element_with_offset(element, int(at[0]), int(at[1])).click().perform()
    text = browser.run("return document.getElementById('operation').textContent")
    claim(re.match(r"GPU 0 .*: (forward|backward|wait).*: [\d.]+ (µs|ms|s), from ", text), f"a click says what it is: {text}")


def claim_text(emulator, browser):
    """Names of tiers, links, topologies and jobs are shown, not obeyed: in headings, tables and what the mouse shows."""
    planted = "<img class=planted src=x>"
    topology, job, page = (emulator.folder / name for name in ("planted.yaml", "planted-job.yaml", "planted.html"))
    topology.write_text(LAPTOP.read_text().replace("name: laptop-16", f'name: "</script>{planted}"')
                        .replace("name: leaf", f'name: "{planted}"'))
    job.write_text((JOBS / "ddp-small.yaml").read_text().replace("name: ddp-small", f'name: "{planted}"'))
    report(emulator, emulator.trace(topology, job, name="planted", trace__timeline="[0-3]", trace__links="[all]"), "-o", page)
    browser.open(page)
    for tab in browser.run("return [...document.querySelectorAll('nav button')].map((b) => b.id)"):
        browser.driver.find_element("id", tab).click()
        shown = browser.run("""
            let shown = 0;
            for (const box of document.querySelectorAll(".chart")) {
                const chart = echarts.getInstanceByDom(box);
                chart.getOption().series.forEach((series, seriesIndex) => {
                    for (const dataIndex of [0, Math.floor(series.data.length / 2), series.data.length - 1]) {
                        chart.dispatchAction({type: "showTip", seriesIndex, dataIndex});
                        shown += box.innerText.length > 0;
                    }
                });
            }
            return shown;""")
        claim(browser.run("return document.querySelectorAll('.planted').length") == 0, f"{tab}: a name is no element of the page")
        claim(tab != "tab-congestion" or shown > 10, f"{tab}: there are things to point at: {shown}")
    claim(planted in browser.run("return document.body.innerText"), "names are shown as they are written")


if __name__ == "__main__":
    run_case(holds, clicked)
