/*
 * Compressed kernels: gzip (RFC 1952), any number of members, with zeros behind them at most.
 */
#include "image.h"

#include <stdlib.h>
#include <zlib.h>

#define PIECE_MAX (1u << 30) /* zlib counts in 32 bits */

typedef struct unpacker {
    z_stream z;
    image *im;
    const char *path;
    const uint8_t *in;
    uint64_t in_left; /* not handed to zlib yet */
    uint64_t out_bytes, capacity;
    uint64_t limit; /* most that may come out */
} unpacker;

bool image_is_gzip(const uint8_t *bytes, uint64_t length)
{
    return length >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

static void feed(unpacker *u)
{
    uint32_t piece = u->in_left < PIECE_MAX ? (uint32_t)u->in_left : PIECE_MAX;

    if (u->z.avail_in)
        return;
    u->z.next_in = (uint8_t *)u->in;
    u->z.avail_in = piece;
    u->in += piece;
    u->in_left -= piece;
}

/* Room for more: one byte more than may come out, so that a file that is too large shows. */
static bool make_room(unpacker *u, pb_error *error)
{
    uint64_t room, capacity = u->capacity ? u->capacity * 2 : u->in_left * 4 + 4096;

    if (u->out_bytes == u->capacity) {
        uint8_t *grown;

        if (u->capacity > u->limit)
            return pb_fail(error, "%s: decompressed it is larger than RAM (%#llx bytes)", u->path,
                           image_ull(u->limit));
        u->capacity = capacity <= u->limit ? capacity : u->limit + 1;
        grown = realloc(u->im->inflated, u->capacity);
        if (!grown)
            return pb_fail(error, "%s: there is no memory for %llu bytes to decompress it", u->path,
                           image_ull(u->capacity));
        u->im->inflated = grown;
    }
    room = u->capacity - u->out_bytes;
    u->z.next_out = u->im->inflated + u->out_bytes;
    u->z.avail_out = room < PIECE_MAX ? (uint32_t)room : PIECE_MAX;
    return true;
}

/* A member ended. What may follow is another, and zeros that fill a block; *more: there is another. */
static bool next_member(unpacker *u, bool *more, pb_error *error)
{
    uint64_t rest = u->z.avail_in + u->in_left;
    const uint8_t *next = u->z.next_in;

    *more = image_is_gzip(next, rest);
    if (*more)
        return inflateReset(&u->z) == Z_OK || pb_fail(error, "%s: zlib fails", u->path);
    for (uint64_t i = 0; i < rest; i++)
        if (next[i])
            return pb_fail(error, "%s: %llu bytes follow the compressed data, which are not gzip",
                           u->path, image_ull(rest));
    return true;
}

static bool inflate_members(unpacker *u, pb_error *error)
{
    bool more = true;

    while (more) {
        uint32_t room;
        int result;

        if (!make_room(u, error))
            return false;
        feed(u);
        room = u->z.avail_out;
        result = inflate(&u->z, Z_NO_FLUSH);
        u->out_bytes += room - u->z.avail_out;
        if (result == Z_STREAM_END) {
            if (!next_member(u, &more, error))
                return false;
        } else if (result == Z_MEM_ERROR) {
            return pb_fail(error, "%s: there is no memory to decompress it", u->path);
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            return pb_fail(error, "%s: the compressed data is damaged", u->path);
        } else if (u->z.avail_out && !u->z.avail_in && !u->in_left) {
            return pb_fail(error, "%s: the compressed data is truncated", u->path);
        }
    }
    if (u->out_bytes > u->limit)
        return pb_fail(error, "%s: decompressed it is larger than RAM (%#llx bytes)", u->path,
                       image_ull(u->limit));
    return u->out_bytes || pb_fail(error, "%s: decompressed it is empty", u->path);
}

bool image_inflate(image *im, const uint8_t **bytes, uint64_t *length, const char *path,
                   const image_options *o, pb_error *error)
{
    unpacker u = {
        .im = im, .path = path, .in = *bytes, .in_left = *length, .limit = o->ram_bytes
    };
    bool ok;

    if (inflateInit2(&u.z, 16 + MAX_WBITS) != Z_OK)
        return pb_fail(error, "%s: there is no memory to decompress it", path);
    ok = inflate_members(&u, error);
    inflateEnd(&u.z);
    *bytes = im->inflated;
    *length = u.out_bytes;
    return ok;
}
