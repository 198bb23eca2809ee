/** Modules of the package that are not exported. */
const load = (name: string) => import(new URL(`../../dist/${name}.js`, import.meta.url).href);

export const { drive } = (await load("driver")) as typeof import("../dist/driver.js");
export const { loadCore } = (await load("core")) as typeof import("../dist/core.js");
