/*
 * A range of ports where the near side listens for FTP clients
 * (--client-ports), because a firewall permits them, or a container maps them.
 * Each is used by one data connection at a time, until that ends.
 */
#ifndef TUNNEL_PORTS_H
#define TUNNEL_PORTS_H

#include <stdbool.h>
#include <stdint.h>

struct ports;

/* The ports low to high, both included; low is not 0.  NULL when out of memory.
 */
struct ports *ports_new(uint16_t low, uint16_t high);

/* ports_keep() adds a user and returns ports, which has one at first;
 * ports_free() removes one, and frees ports after the last one.  Both allow
 * NULL. */
struct ports *ports_keep(struct ports *ports);
void ports_free(struct ports *ports);

/* Takes the port that has been free for the longest time, so that no late
 * packet of an old connection meets a new one.  0: all are in use. */
uint16_t ports_take(struct ports *ports);

/* Gives back what ports_take() returned. */
void ports_give(struct ports *ports, uint16_t port);

uint16_t ports_low(const struct ports *ports);
uint16_t ports_high(const struct ports *ports);

#endif
