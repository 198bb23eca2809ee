// The project that run.mjs creates: like a user's, with the packed package installed.
import { join } from "node:path";

export const project = process.env.TWG_AUTH_PROJECT ?? fail();
export const tarball = process.env.TWG_AUTH_TARBALL ?? fail();
export const installed = join(project, "node_modules/twg-auth");

function fail() {
  throw new Error("run these tests with `npm test`, which packs the package first");
}
