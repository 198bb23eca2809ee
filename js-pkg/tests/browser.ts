/** A user with a browser: keeps cookies, follows redirects, presses buttons. No scripts. */
export class Browser {
  readonly #cookies = new Map<string, string>();

  /** Opens a URL and follows its redirects; stops before a URL that begins with `stop`, which is then `url`. */
  async open(url: string, stop?: string): Promise<Page> {
    return this.#follow("GET", url, undefined, stop);
  }

  async #follow(method: string, url: string, body?: URLSearchParams, stop?: string): Promise<Page> {
    for (;;) {
      if (stop && url.startsWith(stop)) return new Page(this, url, "", stop);
      const origin = new URL(url).origin;
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const response = await fetch(url, {
        method,
        redirect: "manual",
        headers: { ...(cookie && { cookie }), ...(body && { origin }) },
        ...(body && { body }),
      });
      for (const line of response.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
        this.#cookies.set(name!, value!);
      }
      const location = response.headers.get("location");
      if (!location) return new Page(this, url, await response.text(), stop);
      await response.text();
      [method, url, body] = ["GET", new URL(location, url).href, undefined];
    }
  }

  submit(action: string, fields: URLSearchParams, stop?: string): Promise<Page> {
    return this.#follow("POST", action, fields, stop);
  }
}

export class Page {
  constructor(readonly browser: Browser, readonly url: string, readonly html: string, readonly stop?: string) {}

  #forms() {
    return [...this.html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)].map(([, head, body]) => {
      const id = attribute(head!, "id");
      // A button may stand outside of its form.
      const outside = id ? [...this.html.matchAll(/<button\b[^>]*>[\s\S]*?<\/button>/g)].filter(([tag]) => attribute(tag, "form") === id) : [];
      return { head: head!, body: body! + outside.join("") };
    });
  }

  #find(label: string) {
    for (const form of this.#forms()) {
      for (const [, head, text] of form.body.matchAll(/<button\b([^>]*)>([\s\S]*?)<\/button>/g)) {
        if (text!.replace(/<[^>]*>/g, "").replace(/[[\]]/g, "").trim() === label) return { form, head: head! };
      }
    }
    return undefined;
  }

  has(label: string): boolean {
    return this.#find(label) !== undefined;
  }

  async press(label: string, filled: Record<string, string> = {}): Promise<Page> {
    const found = this.#find(label);
    if (!found) throw new Error(`there is no button '${label}' on ${this.url}: ${this.html.replace(/[\s\S]*<body/, "").slice(0, 800)}`);
    const fields = new URLSearchParams();
    for (const [input] of found.form.body.matchAll(/<input\b[^>]*>/g)) {
      const name = attribute(input, "name");
      if (name) fields.append(name, filled[name] ?? attribute(input, "value") ?? "");
    }
    const name = attribute(found.head, "name");
    if (name) fields.append(name, attribute(found.head, "value") ?? "");
    const action = new URL(attribute(found.form.head, "action") ?? "", this.url).href;
    return this.browser.submit(action, fields, this.stop);
  }
}

function attribute(tag: string, name: string): string | undefined {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];
  return value?.replaceAll("&quot;", '"').replaceAll("&lt;", "<").replaceAll("&amp;", "&");
}
