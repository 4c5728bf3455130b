/*
 * Messages of the control socket: what is found lies within what was taken, and
 * no message is found before it is complete.
 */
#include <assert.h>

#include "fuzz.h"
#include "ssh/mux.h"
#include "base/wire.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct mux_message message;
	struct wire_in in, less;

	while (wire_get_message(bytes, len, &in) == 1) {
		const char *end = (const char *)in.bytes + in.len;

		assert(in.bytes == bytes + 4 && in.len <= len - 4);
		assert(wire_get_message(bytes, in.len + 3, &less) == 0);
		if (mux_parse(in.bytes, in.len, &message) == 0)
			assert(message.reason == NULL ||
			    (message.reason >= (const char *)in.bytes &&
				message.reason + message.reason_len <= end));
		len -= in.len + 4;
		bytes = in.bytes + in.len;
	}
	return 0;
}
