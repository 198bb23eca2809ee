import type { CoreError, FlowRequest, HostError, HttpResponse, Now, Outcome, ProviderProfile, Status, Step } from "./wire.js";
import { TwgError, nameOf } from "./errors.js";
import type { Ports } from "./ports.js";

/** What the WebAssembly module offers. Every decision is made there. */
export interface Core {
  Flow: new (request: FlowRequest, entropy?: Uint8Array) => Flow;
  /** Throws an Error with the code `RECORD_UNUSABLE`. */
  status(record: string, profile: string | ProviderProfile, now: number, chance?: number): Status;
  /** Whether access tokens of that provider may be sent to that URL. Throws an Error with the code `CONFIGURATION`. */
  mayHaveToken(profile: string | ProviderProfile, url: string): boolean;
  /** Whether another access token may help after this response. */
  rejectsToken(response: HttpResponse): boolean;
  /** The generation that a record names, a decimal number. */
  generationOf(record: string): string | undefined;
  version(): string;
}

/** One flow. Its methods throw an Error with a `code` of {@link HostError} if they are called wrongly. */
export interface Flow {
  begin(now: Now): Step;
  resume(id: number, outcome: Outcome, now: Now): Step;
  /** The flow as text, if it waits for its user. It holds secrets. */
  suspend(): string | undefined;
  free(): void;
}

/** `code` of an error that the module threw on purpose. */
export function codeOf(error: unknown): HostError["code"] | CoreError["code"] | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? (code as HostError["code"]) : undefined;
}

/** What wasm-bindgen generates, as far as it is used here. */
interface Glue extends Core {
  default(options?: { module_or_path: unknown }): Promise<unknown>;
}

let loading: Promise<Core> | undefined;

/** Loads the module, once, on first use. */
export function loadCore(wasm: Ports["wasm"]): Promise<Core> {
  loading ??= load(wasm).catch((error: unknown) => {
    loading = undefined;
    throw unloadable(error);
  });
  return loading;
}

async function load(wasm: Ports["wasm"]): Promise<Core> {
  const glue = (await import("../wasm/twg_wasm.js")) as unknown as Glue;
  await (wasm ? glue.default({ module_or_path: await wasm() }) : glue.default());
  return glue;
}

function unloadable(error: unknown): TwgError {
  const text = error instanceof Error ? `${error.name} ${error.message}` : "";
  if (/^(Compile|Eval)Error/.test(text) && /-eval|\bCSP\b|content security/i.test(text)) {
    return new TwgError("WASM_BLOCKED", "The content security policy forbids WebAssembly", {
      hint: "Add 'wasm-unsafe-eval' to its script-src; in an extension's manifest: \"extension_pages\": \"script-src 'self' 'wasm-unsafe-eval'\".",
    });
  }
  return new TwgError("WASM_UNAVAILABLE", `The WebAssembly file could not be loaded (${nameOf(error)})`, {
    hint: "Serve twg_wasm_bg.wasm beside the bundle, or pass its bytes in ports.wasm.",
  });
}
