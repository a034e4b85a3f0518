"""browser.py: a page in headless Chromium, by Selenium; the tests that use it say 77, not possible, where these are missing."""

import importlib.util
import shutil
import sys


def missing():
    return [name for name, there in (("chromium", shutil.which("chromium")), ("chromedriver", shutil.which("chromedriver")),
                                     ("python3-selenium", importlib.util.find_spec("selenium"))) if not there]


class Browser:
    def __init__(self, width=1400, height=1000):
        if missing():
            print(f"not possible: {', '.join(missing())} not installed")
            sys.exit(77)
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
        options = webdriver.ChromeOptions()
        for word in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", f"window-size={width},{height}",
                     "host-resolver-rules=MAP * ~NOTFOUND"):  # a page that wants the network does not get it
            options.add_argument(f"--{word}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)

    def open(self, path):
        self.driver.get(f"file://{path}")

    def run(self, script, *arguments):
        """The value of a script, after two frames."""
        self.driver.execute_async_script("const done = arguments[arguments.length - 1];"
                                         "requestAnimationFrame(() => requestAnimationFrame(() => done()));")
        return self.driver.execute_script(script, *arguments)

    def errors(self):
        """What the console complained of since it was asked last."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def requests(self):
        """Addresses that were asked for but files and data."""
        import json
        found = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [one["params"]["request"]["url"] for one in found if one["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("file://", "data:", "blob:", "chrome:"))]

    def picture(self, path):
        """All of the page, however long."""
        self.driver.set_window_size(1400, 900)
        height = self.run("return document.documentElement.scrollHeight")
        self.driver.set_window_size(1400, min(int(height) + 150, 6000))
        self.run("return 0")
        self.driver.save_screenshot(str(path))

    def close(self):
        self.driver.quit()
