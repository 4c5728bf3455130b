/*
 * Packets of proxy mode: what is found lies within what was taken, and no
 * packet is found before it is complete.
 */
#include <assert.h>

#include "fuzz.h"
#include "ssh/chan.h"
#include "base/wire.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct chan_message message;
	struct wire_in in, less;

	while (wire_get_message(bytes, len, &in) == 1) {
		const uint8_t *end = in.bytes + in.len;

		assert(in.bytes == bytes + 4 && end <= bytes + len);
		assert(wire_get_message(bytes, in.len + 3, &less) == 0);
		if (chan_parse(in.bytes, in.len, &message) == 0)
			assert(message.data == NULL ||
			    (message.data >= in.bytes &&
				message.data + message.data_len <= end));
		len -= in.len + 4;
		bytes = end;
	}
	return 0;
}
