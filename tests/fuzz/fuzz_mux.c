/*
 * Messages of the control socket: what is found lies within what was taken, and
 * nothing is found before all of it is there.
 */
#include <assert.h>

#include "fuzz.h"
#include "ssh/mux.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct mux_message message, again;
	size_t used, less;

	while (mux_parse(bytes, len, &message, &used) == MUX_READY) {
		assert(used >= 4 && used <= len);
		assert(message.reason == NULL ||
		    (message.reason >= (const char *)bytes &&
			message.reason + message.reason_len <=
			    (const char *)bytes + used));
		assert(mux_parse(bytes, used - 1, &again, &less) == MUX_MORE);
		assert(mux_parse(bytes, used, &again, &less) == MUX_READY);
		assert(less == used && again.type == message.type);
		bytes += used;
		len -= used;
	}
	return 0;
}
