import type { EngineOptions, Member, Message, Position } from './index.js';

/** What a simulated line is like. */
export interface Link {
  /** How long what is sent is under way: a number of milliseconds, or from and to. Default: 1 to 5. */
  delayMs?: number | readonly [number, number];
  /** How many bytes of the engine's the line takes before the client has read them. Default: 65,536. */
  inFlightBytes?: number;
  /** How many bytes a second the client reads. Default: `Infinity`. */
  readsAt?: number;
}

/** One of a simulation's WebSockets: what browsers have. */
export interface SimSocket extends EventTarget {
  readonly url: string;
  readonly protocol: string;
  readonly extensions: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  binaryType: 'blob' | 'arraybuffer';
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: Event & { readonly data: unknown }) => void) | null;
  onclose:
    | ((event: Event & { readonly code: number; readonly reason: string; readonly wasClean: boolean }) => void)
    | null;
  onerror: ((event: Event) => void) | null;
  send(data: string | ArrayBuffer | ArrayBufferView): void;
  close(code?: number, reason?: string): void;
}

/** A simulation's class of WebSockets. */
export interface SimSocketClass {
  new (url: string | URL, protocols?: string | readonly string[]): SimSocket;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
}

/** What the host heard, with the fields of the event of that name. */
export interface SimEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

/**
 * The engine on a network that you turn by hand: the real chat and its real frames, with a clock that stands still until you
 * advance it, and lines whose delays and breaks follow from a seed. The same seed and the same calls give the same run.
 *
 * ```js
 * const sim = new Sim({ seed: 7 });
 * const chat = new Chat('ws://localhost/', { name: 'Ann', WebSocket: sim.WebSocket, clock: sim.clock, random: sim.random });
 * await sim.advance(1_000);
 * sim.cut(sim.sockets[0]);
 * await sim.advance(30_000); // it has come back
 * ```
 */
export class Sim {
  /**
   * `options` are an engine's, without the handlers; where it would listen plays no part.
   *
   * Throws `invalid_option`.
   */
  constructor(fields?: { seed?: number; options?: Omit<EngineOptions, 'admit' | 'maySend' | 'signal'>; link?: Link });

  /** Bound to this simulation: give it to what opens WebSockets. The host of their URLs plays no part. */
  readonly WebSocket: SimSocketClass;
  /** This simulation's time, as Unix milliseconds. */
  readonly clock: {
    now(): number;
    setTimeout(run: (...values: never[]) => void, ms?: number, ...values: unknown[]): number;
    clearTimeout(timer: number): void;
  };
  /** As `Math.random`, but it follows from the seed. */
  readonly random: () => number;
  /** What the lines of sockets that are made from now on are like; unset fields are the defaults. */
  get link(): Required<Link>;
  set link(link: Link);
  /** Milliseconds since the simulation began. */
  readonly now: number;
  /** The sockets that are not closed, in the order in which they were made. */
  readonly sockets: SimSocket[];

  /** Lets so many milliseconds pass. What happens in them is seen, and what awaits it goes on, step by step. */
  advance(ms: number): Promise<void>;
  /** Breaks a line: its client's end is closed at once with 1006. */
  cut(socket: SimSocket): void;
  /** Lets nothing through any more, either way, and nobody is told. */
  hang(socket: SimSocket): void;
  /** Ends `hang`. */
  heal(socket: SimSocket): void;
  /** How many bytes a second the client reads from now on; `Infinity`: as fast as may be. */
  slow(socket: SimSocket, bytesPerSecond: number): void;
  /** Ends the engine (`clean: false`: without a word) and starts it again `downMs` later. Rooms and their logs last. */
  restart(fields?: { clean?: boolean; graceMs?: number; downMs?: number }): void;

  /** As the engine's. */
  broadcast(room: string, text: string): Position;
  /** As the engine's. */
  send(room: string, user: string, text: string): Position;
  /** As the engine's. */
  history(room: string, fields?: { before?: number; limit?: number }): Message[];
  /** As the engine's. */
  members(room: string): Member[];
  /** What the host has heard since it was asked last. */
  events(): SimEvent[];
  /**
   * Judges what `klatsch.v1` sockets were told, by the logs of these rooms: nothing lost, nothing twice, nothing left out in
   * silence. Call it when everybody is back. Gives what was broken, in words.
   */
  judge(...rooms: string[]): string[];
}
