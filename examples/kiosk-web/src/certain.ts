// Makes a call until its outcome is known, always under one idempotency key.

import { ErrorInfoSchema, PreconditionFailureSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb";
import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";

const ATTEMPTS = 5;
const PAUSE_MS = 1000;

/** The server answers or gives up within 4.5 s, so that every outcome is heard. */
const DEADLINE_MS = 6000;

/** After these it is not known whether the call took effect, or it did not: the same call again. */
const AGAIN = new Set([
  Code.Unavailable, Code.DeadlineExceeded, Code.ResourceExhausted, Code.Internal, Code.Unknown, Code.Canceled, Code.Aborted,
]);

/** Why the service refused a call, and for which incentives. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly reason: string,
    readonly incentives: ReadonlySet<string>,
  ) {
    super(message);
  }
}

/** Hears that a call is sent again. */
export type Hear = (why: string) => void;

/**
 * Make a call, again where it failed without an outcome.
 *
 * @throws Refused when the service refuses it, or when no answer came in all attempts.
 */
export async function certain<T>(key: string, call: (options: CallOptions) => Promise<T>, hear: Hear): Promise<T> {
  for (let left = ATTEMPTS - 1; ; left -= 1) {
    try {
      return await call({ timeoutMs: DEADLINE_MS, headers: { "idempotency-key": key } });
    } catch (problem) {
      const error = ConnectError.from(problem);
      if (!AGAIN.has(error.code) || left === 0) throw refused(error);
      hear(Code[error.code] ?? "no answer");
      await new Promise((done) => { setTimeout(done, pause(error)); });
    }
  }
}

function refused(error: ConnectError): Refused {
  const [info] = error.findDetails(ErrorInfoSchema);
  const broken = error.findDetails(PreconditionFailureSchema).flatMap((one) => one.violations);
  const incentives = new Set(broken.map(({ subject }) => subject.slice(subject.lastIndexOf("/") + 1)));
  const named = info?.metadata["incentive_id"];
  if (named) incentives.add(named);
  return new Refused(error.rawMessage, info?.reason ?? "", incentives);
}

/** Milliseconds to wait: as long as the service says, else a second. */
function pause(error: ConnectError): number {
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return delay ? Number(delay.seconds) * 1000 + delay.nanos / 1e6 : PAUSE_MS;
}
