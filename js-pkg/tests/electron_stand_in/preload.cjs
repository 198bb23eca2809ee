// Not Electron: the part that a preload script gets.
module.exports = globalThis.renderer;
