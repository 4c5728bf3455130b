/*
 * A range of ports.  The free ones are in a ring buffer.
 */
#include "tunnel/ports.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

struct ports {
	uint16_t low;
	uint16_t high;
	size_t users;
	size_t size;   /* of the ring: one place for each port */
	size_t first;  /* in the ring: free for the longest */
	size_t n_free; /* from there on */
	uint16_t ring[];
};

struct ports *
ports_new(uint16_t low, uint16_t high)
{
	size_t size = (size_t)high - low + 1;
	struct ports *ports;

	assert(low > 0 && low <= high);
	ports = malloc(sizeof(*ports) + size * sizeof(ports->ring[0]));
	if (ports == NULL)
		return NULL;
	*ports = (struct ports) {
		.low = low,
		.high = high,
		.users = 1,
		.size = size,
	};
	for (uint16_t port = low; ports->n_free < size; port++)
		ports_give(ports, port);
	return ports;
}

struct ports *
ports_keep(struct ports *ports)
{
	if (ports != NULL)
		ports->users++;
	return ports;
}

void
ports_free(struct ports *ports)
{
	if (ports != NULL && --ports->users == 0)
		free(ports);
}

uint16_t
ports_take(struct ports *ports)
{
	uint16_t port;

	if (ports->n_free == 0)
		return 0;
	port = ports->ring[ports->first];
	ports->first = (ports->first + 1) % ports->size;
	ports->n_free--;
	return port;
}

void
ports_give(struct ports *ports, uint16_t port)
{
	assert(port >= ports->low && port <= ports->high);
	assert(ports->n_free < ports->size);
	ports->ring[(ports->first + ports->n_free) % ports->size] = port;
	ports->n_free++;
}

uint16_t
ports_low(const struct ports *ports)
{
	return ports->low;
}

uint16_t
ports_high(const struct ports *ports)
{
	return ports->high;
}
