/** The client of the API. Made by `bailiwick client typescript`: do not edit, make it again. */

import createClient, { type Client, type ClientOptions } from "openapi-fetch";

import type { paths, ProblemView } from "./schema.d.ts";

export type * from "./schema.d.ts";
export type Api = Client<paths>;

/** A client of the API at `baseUrl`. `token` is asked for the access token before each request. */
export function connect(baseUrl: string, token?: () => string | undefined, options?: ClientOptions): Api {
  const api = createClient<paths>({ ...options, baseUrl });
  api.use({
    onRequest({ request }) {
      const known = token?.();
      if (known !== undefined) request.headers.set("Authorization", `Bearer ${known}`);
      return request;
    },
  });
  return api;
}

/** A key for one thing that shall happen once: keep it, and send it again if the answer gets lost. */
export function newKey(): string {
  // Neither a page without TLS nor Node.js 18 has the first.
  return globalThis.crypto?.randomUUID?.() ?? `${Date.now()}-${Math.random()}-${Math.random()}`;
}

/** Whether an error is one of the API's own, and not that of something in between. */
export function isProblem(error: unknown): error is ProblemView {
  return typeof error === "object" && error !== null && "code" in error && "request_id" in error;
}
