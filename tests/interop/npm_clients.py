"""WHIP and WHEP clients of the npm registry, loaded into a page."""

from tests.interop import npm_packages
from tests.interop.browser import Page

_SDP = "sdp-transform@2.15.0"
_MODULES = {
    "events": ("events@3.3.0", "events.js"),
    "sdp-transform": (_SDP, "lib/index.js"),
    "./parser": (_SDP, "lib/parser.js"),
    "./writer": (_SDP, "lib/writer.js"),
    "./grammar": (_SDP, "lib/grammar.js"),
    "@eyevinn/webrtc-player": ("@eyevinn/webrtc-player@0.13.0", "dist/main.js"),
    "@eyevinn/whip-web-client": ("@eyevinn/whip-web-client@1.1.7", "dist/whip-client.js"),
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
    sources = {name: npm_packages.read(*place) for name, place in _MODULES.items()}
    esm = {name: npm_packages.read("whip-whep@1.2.0", f"{name}.js") for name in ("whip", "whep")}
    assert await page.run("() => window.isSecureContext")
    await page.run(_LOAD, sources, list(_UNUSED), esm)
