/**
 * In many runs one kind of call is where things go wrong: whoever is about to make it hangs or dies. So races that need a long
 * pause at one certain place are met often, and no list of places has to be kept: a spot is a hash of the call's name.
 */
const SPOTS = 64;

export const spotOf = (callName: string): number => {
  let hash = 0;
  for (const character of callName) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) >>> 0;
  return hash % SPOTS;
};

export const spots = SPOTS;
