// Everything that the page can do. A sandboxed preload script is CommonJS.
const { contextBridge, ipcRenderer } = require("electron");

async function ask(channel) {
  const { value, error } = await ipcRenderer.invoke(channel);
  return error ? { error } : { value };
}

contextBridge.exposeInMainWorld("login", {
  state: () => ask("state"),
  signIn: () => ask("sign-in"),
  cancel: () => ask("cancel"),
  signOut: () => ask("sign-out"),
  onState: (listener) => void ipcRenderer.on("state", (_event, state) => listener(state)),
  onProgress: (listener) => void ipcRenderer.on("progress", (_event, progress) => listener(progress)),
});
