"""WHIP and WHEP clients of the npm registry, loaded into a page (``tests/interop/npm``)."""

import json
from pathlib import Path

from tests.interop.browser import Page

_FOLDER = Path(__file__).parent / "npm"
_MODULES = {
    "events": "events/events.js",
    "sdp-transform": "sdp-transform/index.js",
    "./parser": "sdp-transform/parser.js",
    "./writer": "sdp-transform/writer.js",
    "./grammar": "sdp-transform/grammar.js",
    "@eyevinn/webrtc-player": "webrtc-player/main.js",
    "@eyevinn/whip-web-client": "whip-web-client/whip-client.js",
}
# Of advertisements, and of the protocol that preceded WHEP: the player uses neither for WHEP.
_UNUSED = ("@eyevinn/csai-manager", "@eyevinn/whpp-client")
_LOAD = """async (sources, unused, esm) => {
  const loaded = new Map(unused.map((name) => [name, {}]));
  const require = (name) => {
    name = name.replace(/\\.js$/, "");
    if (!loaded.has(name)) {
      const module = { exports: {} };
      loaded.set(name, module.exports);
      new Function("module", "exports", "require", sources[name])(module, module.exports, require);
      loaded.set(name, module.exports);
    }
    return loaded.get(name);
  };
  const imported = async (text) =>
    import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
  window.npm = {
    player: require("@eyevinn/webrtc-player").WebRTCPlayer,
    ingest: require("@eyevinn/whip-web-client").WHIPClient,
    whip: (await imported(esm.whip)).WHIPClient,
    whep: (await imported(esm.whep)).WHEPClient,
  };
}"""


async def load(page: Page) -> None:
    """Load all clients into `window.npm`."""
    sources = {name: (_FOLDER / path).read_text() for name, path in _MODULES.items()}
    esm = {name: (_FOLDER / f"whip-whep/{name}.js").read_text() for name in ("whip", "whep")}
    assert await page.run("() => window.isSecureContext")
    await page.run(_LOAD, json.loads(json.dumps(sources)), list(_UNUSED), esm)
