/** The packet types that mean something to the wire (MQTT 3.1.1 §2.2.1). Imported as a namespace: a bundler leaves numbers. */

export const connect = 1;
export const connack = 2;
export const publish = 3;
export const puback = 4;
export const pubrec = 5;
export const pubrel = 6;
export const pingreq = 12;
export const pingresp = 13;
export const disconnect = 14;
