/*
 * Kernel files: which kind it is, the arm64 Image header (Linux Documentation/arm64/booting.rst), and raw images.
 */
#include "image.h"

#define MIB UINT64_C(0x100000)

typedef struct arm64_header {
    uint32_t code0, code1;
    uint64_t text_offset, image_size, flags;
    uint64_t res2, res3, res4;
    uint32_t magic; /* "ARM\x64" */
    uint32_t pe;    /* where the PE header is, if the file begins with "MZ" */
} arm64_header;

#define ARM64_MAGIC      0x644d5241u
#define ARM64_BIG_ENDIAN 1u

/* Images older than image_size (3.17) have this text_offset, whatever the header says. */
#define OLD_TEXT_OFFSET 0x80000u

/* ---- segments -------------------------------------------------------------------------------------------- */

static bool fits(const image_options *o, uint64_t gpa, uint64_t bytes)
{
    return gpa >= o->ram_base && bytes <= o->ram_bytes && gpa - o->ram_base <= o->ram_bytes - bytes;
}

bool image_add(image *im, const image_segment *segment, const char *path, const image_options *o,
               pb_error *error)
{
    if (im->n_segments == IMAGE_SEGMENTS)
        return pb_fail(error, "%s has more than %d segments to load", path, IMAGE_SEGMENTS);
    if (!fits(o, segment->gpa, segment->memory_bytes))
        return pb_fail(error, "%s needs %#llx bytes at %#llx, but RAM is %#llx bytes at %#llx",
                       path, image_ull(segment->memory_bytes), image_ull(segment->gpa),
                       image_ull(o->ram_bytes), image_ull(o->ram_base));
    for (uint32_t i = 0; i < im->n_segments; i++) {
        const image_segment *other = &im->segments[i];

        if (segment->gpa < other->gpa + other->memory_bytes &&
            other->gpa < segment->gpa + segment->memory_bytes)
            return pb_fail(error, "%s: segments at %#llx and %#llx overlap", path,
                           image_ull(other->gpa), image_ull(segment->gpa));
    }
    im->segments[im->n_segments++] = *segment;
    return true;
}

/* ---- arm64 Image ------------------------------------------------------------------------------------------ */

static bool is_arm64_image(const uint8_t *bytes, uint64_t length, arm64_header *header)
{
    if (length < sizeof(*header))
        return false;
    memcpy(header, bytes, sizeof(*header));
    return header->magic == ARM64_MAGIC;
}

static uint32_t le32(const uint8_t *at)
{
    return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

/* How long the file must be by the PE header, which kernels with an EFI stub have (PE format: COFF header behind the
 * signature, sections behind the optional header). 0: there is none. */
static uint64_t pe_length(const arm64_header *header, const uint8_t *bytes, uint64_t length)
{
    uint64_t sections, wanted = 0;
    uint32_t n;

    if (bytes[0] != 'M' || bytes[1] != 'Z')
        return 0;
    if (length < (uint64_t)header->pe + 24)
        return (uint64_t)header->pe + 24;
    if (le32(bytes + header->pe) != 0x4550)
        return 0;
    n = le32(bytes + header->pe + 4) >> 16;
    sections = header->pe + UINT64_C(24) + (le32(bytes + header->pe + 20) & 0xffff);
    for (uint32_t i = 0; i < n; i++, sections += 40) {
        uint64_t end;

        if (sections > length || length - sections < 40)
            return sections + 40;
        end = (uint64_t)le32(bytes + sections + 16) + le32(bytes + sections + 20);
        wanted = end > wanted ? end : wanted;
    }
    return wanted;
}

static bool examine_arm64(image *im, const arm64_header *header, const uint8_t *bytes,
                          uint64_t length, const char *path, const image_options *o,
                          pb_error *error)
{
    uint64_t size = header->image_size ? header->image_size : length;
    uint64_t offset = header->image_size ? header->text_offset : OLD_TEXT_OFFSET;
    uint64_t base = (o->ram_base + 2 * MIB - 1) & ~(2 * MIB - 1);
    uint64_t promised = pe_length(header, bytes, length);

    if (header->flags & ARM64_BIG_ENDIAN)
        return pb_fail(error, "%s is a big-endian kernel, which this loader does not start", path);
    if (length < promised)
        return pb_fail(error, "%s is truncated: its header promises %llu bytes, the file has %llu",
                       path, image_ull(promised), image_ull(length));
    if (size < length)
        return pb_fail(error, "%s is damaged: its header promises %llu bytes, the file has %llu",
                       path, image_ull(size), image_ull(length));
    im->entry = base + offset;
    return image_add(im, &(image_segment){ im->entry, bytes, length, size }, path, o, error);
}

/* ---- any kind ---------------------------------------------------------------------------------------------- */

static bool examine_raw(image *im, const uint8_t *bytes, uint64_t length, const char *path,
                        const image_options *o, pb_error *error)
{
    const char *name = image_foreign_name(bytes, length);

    if (o->raw_address == UINT64_MAX && name)
        return pb_fail(error,
                       "%s is %s: expected an arm64 Image, an ELF file for AArch64, or a gzip of "
                       "one",
                       path, name);
    if (o->raw_address == UINT64_MAX)
        return pb_fail(error,
                       "%s is not a kernel: expected an arm64 Image, an ELF file for AArch64, or a "
                       "gzip of one (a raw image needs raw-address)",
                       path);
    if (o->raw_address % 4)
        return pb_fail(error, "raw-address %#llx is not a multiple of 4",
                       image_ull(o->raw_address));
    im->entry = o->raw_address;
    return image_add(im, &(image_segment){ o->raw_address, bytes, length, length }, path, o, error);
}

bool image_examine(image *im, const uint8_t *bytes, uint64_t length, const char *path,
                   const image_options *o, pb_error *error)
{
    arm64_header header;

    if (length == 0)
        return pb_fail(error, "%s is empty", path);
    if (image_is_gzip(bytes, length) && !image_inflate(im, &bytes, &length, path, o, error))
        return false;
    if (image_is_elf(bytes, length))
        return image_examine_elf(im, bytes, length, path, o, error);
    if (is_arm64_image(bytes, length, &header))
        return examine_arm64(im, &header, bytes, length, path, o, error);
    return examine_raw(im, bytes, length, path, o, error);
}
