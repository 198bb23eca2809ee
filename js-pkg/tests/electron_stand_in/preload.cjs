// Not Electron: what a preload gets of it.
module.exports = globalThis.renderer;
