/** Says what a command is doing, once it takes long enough for somebody to wonder, and again and again after that. */

export interface Progress {
  /** Undefined: it waits for the user, who knows. */
  step(text: string | undefined): void;
  end(): void;
}

const EVERY_MS = 2_000;

export const startProgress = (say: (text: string) => void): Progress => {
  let step: string | undefined;
  const timer = setInterval(() => {
    if (step !== undefined) say(`${step} …`);
  }, EVERY_MS);
  return {
    step: (text) => {
      step = text;
    },
    end: () => clearInterval(timer),
  };
};
