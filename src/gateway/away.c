/*
 * A session whose SSH connection is lost, and which waits for the next one
 * (--survive).  What was sent and what is open is kept by sftp/keep.c; the
 * tasks notice nothing but that replies are late.
 *
 * All channels are closed.  Channel 0 is opened again, once a second, until
 * that succeeds; what the others had becomes a part of it.  If the time is over
 * before the server has answered, the session ends as without --survive.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/priv.h"

bool
gateway_is_away(const struct gateway *gateway)
{
	return gateway->away && gateway->state == GATEWAY_OPEN;
}

bool
gateway_is_waiting(const struct gateway *gateway)
{
	return gateway->away;
}

/* A channel that is being opened has nothing to keep. */
static bool
away_can(const struct gateway *gateway, unsigned number)
{
	return gateway->config->survive_s > 0 && gateway->home != NULL &&
	    gateway->state == GATEWAY_OPEN &&
	    (gateway->away ? number == 0 :
			     gateway->channels[number].state == CHANNEL_READY &&
			gateway->channels[0].state == CHANNEL_READY);
}

static void
away_close(struct gateway *gateway, unsigned number)
{
	struct gateway_channel *channel = &gateway->channels[number];
	bool used = channel->state == CHANNEL_READY;

	if (channel->state == CHANNEL_NONE || channel->state == CHANNEL_LOST ||
	    channel->state == CHANNEL_AWAY)
		return;
	channel->state = number == 0 ? CHANNEL_AWAY : CHANNEL_LOST;
	channel->stopped = false;
	gateway->handler->channel_close(gateway->ctx, number);
	if (channel->sftp == NULL || (number > 0 && !used))
		return;
	sftp_pause(channel->sftp);
	if (number > 0)
		sftp_move(channel->sftp, gateway->channels[0].sftp);
}

bool
away_begin(struct gateway *gateway, unsigned number, const char *why)
{
	bool again = gateway->away;

	if (!away_can(gateway, number))
		return false;
	spare_drop(gateway);
	gateway->away = true;
	snprintf(gateway->away_why, sizeof(gateway->away_why), "%s", why);
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++)
		away_close(gateway, i);
	if (!again) {
		if (gateway->task != NULL &&
		    gateway->task->ops->channels_moved != NULL)
			gateway->task->ops->channels_moved(gateway->task);
		gateway->handler->paused(gateway->ctx, why);
	}
	return true;
}

void
away_end(struct gateway *gateway)
{
	struct task *task = gateway->task;

	gateway->away = false;
	gateway->handler->resumed(gateway->ctx, gateway->away_s);
	if (task == NULL)
		return;
	if (task->ops->is_lost != NULL && task->ops->is_lost(task))
		task->ops->stop(task, TASK_FAILED);
	else if (task->ops->room != NULL)
		task->ops->room(task);
}

void
away_tick(struct gateway *gateway)
{
	struct gateway_channel *channel = &gateway->channels[0];
	char why[sizeof(gateway->away_why)];

	if (!gateway_is_away(gateway))
		return;
	if (++gateway->away_s <= gateway->config->survive_s) {
		if (channel->state == CHANNEL_AWAY)
			gateway_channel_add(gateway, 0);
		return;
	}
	memcpy(why, gateway->away_why, sizeof(why));
	gateway->away = false;
	if (channel->state != CHANNEL_AWAY)
		gateway->handler->channel_close(gateway->ctx, 0);
	channel->state = CHANNEL_LOST;
	sftp_fail(channel->sftp, why);
	gateway_give_up(gateway, why);
}
