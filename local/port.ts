/** Where the local stack listens if nobody says otherwise. Apart from the stack, so that other commands can know it without loading that. */
export const DEFAULT_PORT = 4800;
