/*
 * A range of ports for the listeners toward FTP clients (--client-ports): what
 * a firewall lets through, or a container has mapped.  Each is used by one
 * data connection at a time, from the making of its listener to the end of the
 * connection.
 */
#ifndef TUNNEL_PORTS_H
#define TUNNEL_PORTS_H

#include <stdbool.h>
#include <stdint.h>

struct ports;

/* low to high, both included; low is not 0.  NULL when out of memory. */
struct ports *ports_new(uint16_t low, uint16_t high);

/* NULL is allowed. */
void ports_free(struct ports *ports);

/*
 * Takes a free port, the one that has been free for the longest first, so that
 * a late packet of an old connection meets nobody.  0: all are in use.
 */
uint16_t ports_take(struct ports *ports);

/* Gives back what ports_take() returned. */
void ports_give(struct ports *ports, uint16_t port);

uint16_t ports_low(const struct ports *ports);
uint16_t ports_high(const struct ports *ports);

#endif
