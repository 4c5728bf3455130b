/*
 * Packets of proxy mode: what is found lies within what was taken, and nothing
 * is found before all of it is there.
 */
#include <assert.h>

#include "fuzz.h"
#include "ssh/chan.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct chan_message message, again;
	size_t used, less;

	while (chan_parse(bytes, len, &message, &used) == CHAN_READY) {
		assert(used >= 4 && used <= len);
		assert(message.data == NULL ||
		    (message.data >= bytes &&
			message.data + message.data_len <= bytes + used));
		assert(chan_parse(bytes, used - 1, &again, &less) == CHAN_MORE);
		assert(chan_parse(bytes, used, &again, &less) == CHAN_READY);
		assert(less == used && again.type == message.type);
		bytes += used;
		len -= used;
	}
	return 0;
}
