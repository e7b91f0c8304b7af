/** The credentials that the local stack knows. There are no others, and no STS that would issue any. */
export const localCredentials = { accessKeyId: 'local', secretAccessKey: 'local' } as const;

export const LOCAL_REGION = 'us-east-1';
