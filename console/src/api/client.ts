import { isObject, type Json, parseJson, writeJson } from "../lib/json";
import { noteAnswer, noteOffline, noteSessionOver } from "./connection";

/** An answer of the API that is no success. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** The whole answer. */
    readonly body: Json,
  ) {
    super(message);
  }

  /** The problems by the path of their field, of 400 and 422. */
  get fieldErrors(): Record<string, string[]> {
    const details = isObject(this.body) ? this.body.details : undefined;
    const errors = isObject(details) ? details.fieldErrors : undefined;
    if (!isObject(errors)) return {};
    return Object.fromEntries(
      Object.entries(errors).map(([path, texts]) => [
        path,
        Array.isArray(texts) ? texts.map(String) : [writeJson(texts)],
      ]),
    );
  }
}

/** No answer came. Whether a request arrived is not known. */
export class OfflineError extends Error {
  constructor() {
    super("The connection was lost.");
  }
}

const root = new URL("../api/", document.baseURI);
const TIMEOUT_MS = 35_000;

export interface RequestOptions {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  query?: Readonly<Record<string, string | number | boolean | undefined | null>>;
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
}

/** Returns the address of an operation below `/api/`, on the origin that served the page. */
export function apiAddress(path: string, query: RequestOptions["query"] = {}): string {
  const url = new URL(path, root);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, String(value));
  }
  return url.href;
}

/**
 * Calls the API and returns the answer, whose form the contract promises. The session is in a cookie that no script sees; the header on
 * unsafe calls is one that another origin cannot send without being asked first, which the API never answers.
 */
export async function call<Answer>(path: string, options: RequestOptions = {}): Promise<Answer> {
  const method = options.method ?? "GET";
  const headers = new Headers(options.headers);
  headers.set("Accept", "application/json");
  if (method !== "GET") headers.set("X-Runs-Console", "1");
  if (options.body !== undefined) headers.set("Content-Type", "application/json");
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  let text: string;
  try {
    response = await fetch(apiAddress(path, options.query), {
      method,
      headers,
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]),
      ...(options.body === undefined ? {} : { body: writeJson(options.body) }),
    });
    text = await response.text();
  } catch (error) {
    if (options.signal?.aborted === true) throw error;
    noteOffline();
    throw new OfflineError();
  }
  noteAnswer();
  const body = readBody(text);
  if (response.status === 401) noteSessionOver();
  if (!response.ok) throw new ApiError(response.status, errorText(body, response.status), body);
  // The contract of the API says what it is; tests hold the API against the contract.
  return body as Answer;
}

function readBody(text: string): Json {
  if (text === "") return null;
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}

function errorText(body: Json, status: number): string {
  const error = isObject(body) ? body.error : undefined;
  if (typeof error === "string") return error;
  return status >= 500
    ? "The service has a problem of its own. Nothing was changed that it did not confirm."
    : `The service refused this (${status}).`;
}
