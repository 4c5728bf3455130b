/*
 * The gateway's core: the data connection of a session.
 */
#include <assert.h>

#include "gateway/priv.h"

void
gateway_data_end_it(struct gateway *gateway)
{
	if (gateway->data == DATA_OPEN)
		gateway->handler->data_end(gateway->ctx);
	else if (gateway->data == DATA_LISTENING)
		gateway->handler->data_reset(gateway->ctx);
	gateway->data = DATA_NONE;
	gateway->data_ending = gateway->data_eof = false;
	gateway->data_reading = false;
}

void
gateway_data_reset_it(struct gateway *gateway)
{
	if (gateway->data != DATA_NONE)
		gateway->handler->data_reset(gateway->ctx);
	gateway->data = DATA_NONE;
	gateway->data_ending = gateway->data_eof = false;
	gateway->data_reading = false;
}

void
gateway_data_read_it(struct gateway *gateway, bool on)
{
	if (gateway->data != DATA_OPEN || gateway->data_reading == on)
		return;
	gateway->data_reading = on;
	gateway->handler->data_read(gateway->ctx, on);
}

bool
gateway_data_has_room(const struct gateway *gateway)
{
	return gateway->data == DATA_OPEN &&
	    gateway->handler->data_queued(gateway->ctx) <= LIMIT_HIGH_WATER;
}

void
gateway_data_up(struct gateway *gateway)
{
	assert(gateway->data == DATA_LISTENING);
	gateway->data = DATA_OPEN;
	if (gateway->task != NULL && gateway->task->ops->data_up != NULL)
		gateway->task->ops->data_up(gateway->task);
	gateway_pump(gateway);
}

void
gateway_data_bytes(struct gateway *gateway, const struct iovec *pieces,
    size_t n)
{
	if (gateway->task != NULL && gateway->task->ops->data != NULL)
		gateway->task->ops->data(gateway->task, pieces, n);
	gateway_pump(gateway);
}

void
gateway_data_ending(struct gateway *gateway)
{
	gateway->data_ending = true;
	if (gateway->task != NULL && gateway->task->ops->ending != NULL)
		gateway->task->ops->ending(gateway->task);
	gateway_pump(gateway);
}

void
gateway_data_eof(struct gateway *gateway)
{
	gateway->data_ending = gateway->data_eof = true;
	if (gateway->task != NULL && gateway->task->ops->eof != NULL)
		gateway->task->ops->eof(gateway->task);
	gateway_pump(gateway);
}

void
gateway_data_drained(struct gateway *gateway)
{
	if (gateway->task != NULL && gateway->task->ops->room != NULL)
		gateway->task->ops->room(gateway->task);
	gateway_pump(gateway);
}

void
gateway_data_lost(struct gateway *gateway)
{
	gateway->data = DATA_NONE;
	gateway->data_ending = gateway->data_eof = false;
	gateway->data_reading = false;
	if (gateway->task != NULL)
		gateway->task->ops->stop(gateway->task, TASK_DATA_LOST);
	gateway_pump(gateway);
}
