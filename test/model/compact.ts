/** Collections of numbers and bytes that hold tens of millions without an object for each. */

/** Called for every byte of every state, and a global costs a look-up each time where tests run. */
const { imul } = Math;

/** A growing list of small or 32-bit numbers. */
export class Numbers {
  #values: Uint8Array | Uint32Array;
  length = 0;

  constructor(kind: typeof Uint8Array | typeof Uint32Array) {
    this.#values = new kind(1 << 12);
  }

  push(value: number): void {
    if (this.length === this.#values.length) {
      const wider =
        this.#values instanceof Uint8Array ? new Uint8Array(this.length * 2) : new Uint32Array(this.length * 2);
      wider.set(this.#values);
      this.#values = wider;
    }
    this.#values[this.length++] = value;
  }

  at(index: number): number {
    return this.#values[index] ?? 0;
  }
}

/** A set of byte strings, of which it keeps 64 bits each. They are numbered from 1 in the order they were added. */
export class Known {
  size = 0;
  #room = 1 << 12;
  #high = new Uint32Array(this.#room);
  #low = new Uint32Array(this.#room);
  #ids = new Uint32Array(this.#room);

  /** The number of `bytes`, which may be new. */
  add(bytes: Uint8Array): number {
    let high = 0xdeadbeef;
    let low = 0x41c6ce57;
    for (let index = 0; index < bytes.length; index++) {
      const value = bytes[index] ?? 0;
      high = imul(high ^ value, 2_654_435_761);
      low = imul(low ^ value, 1_597_334_677);
      high ^= high >>> 15;
      low ^= low >>> 13;
    }
    high = imul(high ^ (high >>> 16), 2_246_822_507) ^ imul(low ^ (low >>> 13), 3_266_489_909);
    low = imul(low ^ (low >>> 16), 2_246_822_507) ^ imul(high ^ (high >>> 13), 3_266_489_909);
    high >>>= 0;
    low >>>= 0;
    let slot = low & (this.#room - 1);
    for (let id = this.#ids[slot]; id; id = this.#ids[slot]) {
      if (this.#low[slot] === low && this.#high[slot] === high) return id;
      slot = (slot + 1) & (this.#room - 1);
    }
    this.#low[slot] = low;
    this.#high[slot] = high;
    this.#ids[slot] = ++this.size;
    if (this.size * 3 > this.#room * 2) this.#widen();
    return this.size;
  }

  #widen(): void {
    const [high, low, ids] = [this.#high, this.#low, this.#ids];
    this.#room *= 2;
    this.#high = new Uint32Array(this.#room);
    this.#low = new Uint32Array(this.#room);
    this.#ids = new Uint32Array(this.#room);
    for (let index = 0; index < ids.length; index++) {
      const id = ids[index] ?? 0;
      if (id === 0) continue;
      let slot = (low[index] ?? 0) & (this.#room - 1);
      while (this.#ids[slot]) slot = (slot + 1) & (this.#room - 1);
      this.#high[slot] = high[index] ?? 0;
      this.#low[slot] = low[index] ?? 0;
      this.#ids[slot] = id;
    }
  }
}

/** Numbered byte strings, one behind the other. */
export class Waiting {
  length = 0;
  readonly #ids = new Numbers(Uint32Array);
  #ends = new Float64Array(1 << 12);
  #bytes = new Uint8Array(1 << 16);
  #used = 0;

  push(id: number, bytes: Uint8Array): void {
    while (this.#used + bytes.length > this.#bytes.length) {
      const wider = new Uint8Array(this.#bytes.length * 2);
      wider.set(this.#bytes);
      this.#bytes = wider;
    }
    if (this.length === this.#ends.length) {
      const wider = new Float64Array(this.length * 2);
      wider.set(this.#ends);
      this.#ends = wider;
    }
    this.#bytes.set(bytes, this.#used);
    this.#used += bytes.length;
    this.#ends[this.length++] = this.#used;
    this.#ids.push(id);
  }

  id(index: number): number {
    return this.#ids.at(index);
  }

  packed(index: number): Uint8Array {
    return this.#bytes.subarray(index === 0 ? 0 : this.#ends[index - 1], this.#ends[index]);
  }

  clear(): void {
    this.length = 0;
    this.#ids.length = 0;
    this.#used = 0;
  }
}

/** The edges of a graph whose vertices are numbered from 1, to be gone backwards. */
export class Edges {
  readonly #from = new Numbers(Uint32Array);
  readonly #to = new Numbers(Uint32Array);
  readonly #helped = new Numbers(Uint8Array);

  /** `helped`: it may be left out. */
  push(from: number, to: number, helped: boolean): void {
    this.#from.push(from);
    this.#to.push(to);
    this.#helped.push(helped ? 1 : 0);
  }

  /** The first vertex from which no way leads to a goal; 0 if there is none. */
  firstAstray(vertices: number, isGoal: (vertex: number) => boolean, withHelp: boolean): number {
    const starts = new Uint32Array(vertices + 2);
    const isTaken = (edge: number) => withHelp || this.#helped.at(edge) === 0;
    for (let edge = 0; edge < this.#to.length; edge++) {
      if (isTaken(edge)) starts[this.#to.at(edge) + 1] = (starts[this.#to.at(edge) + 1] ?? 0) + 1;
    }
    for (let vertex = 1; vertex < starts.length; vertex++)
      starts[vertex] = (starts[vertex] ?? 0) + (starts[vertex - 1] ?? 0);
    const next = starts.slice();
    const sources = new Uint32Array(this.#from.length);
    for (let edge = 0; edge < this.#to.length; edge++) {
      if (!isTaken(edge)) continue;
      const to = this.#to.at(edge);
      const place = next[to] ?? 0;
      sources[place] = this.#from.at(edge);
      next[to] = place + 1;
    }
    const reached = new Uint8Array(vertices + 1);
    const open = new Numbers(Uint32Array);
    const reach = (vertex: number) => {
      if (reached[vertex]) return;
      reached[vertex] = 1;
      open.push(vertex);
    };
    for (let vertex = 1; vertex <= vertices; vertex++) if (isGoal(vertex)) reach(vertex);
    while (open.length > 0) {
      const vertex = open.at(--open.length);
      for (let place = starts[vertex] ?? 0; place < (starts[vertex + 1] ?? 0); place++) reach(sources[place] ?? 0);
    }
    return Math.max(0, reached.indexOf(0, 1));
  }
}
