/*
 * Kernel files: gzip (RFC 1952), ELF-64 (System V ABI, AArch64), and the arm64 Image header
 * (Linux Documentation/arm64/booting.rst).
 */
#include "image.h"

#include <elf.h>
#include <stdlib.h>
#include <zlib.h>

#define MIB UINT64_C(0x100000)

typedef struct arm64_header {
    uint32_t code0, code1;
    uint64_t text_offset, image_size, flags;
    uint64_t res2, res3, res4;
    uint32_t magic; /* "ARM\x64" */
    uint32_t res5;
} arm64_header;

#define ARM64_MAGIC      0x644d5241u
#define ARM64_BIG_ENDIAN 1u

static unsigned long long ull(uint64_t value)
{
    return value;
}

static bool fits(const image_options *o, uint64_t gpa, uint64_t bytes)
{
    return gpa >= o->ram_base && bytes <= o->ram_bytes && gpa - o->ram_base <= o->ram_bytes - bytes;
}

static bool add_segment(image *im, const image_segment *segment, const char *path,
                        const image_options *o, pb_error *error)
{
    if (im->n_segments == IMAGE_SEGMENTS)
        return pb_fail(error, "%s has more than %d segments to load", path, IMAGE_SEGMENTS);
    if (!fits(o, segment->gpa, segment->memory_bytes))
        return pb_fail(error, "%s needs %#llx bytes at %#llx, but RAM is %#llx bytes at %#llx",
                       path, ull(segment->memory_bytes), ull(segment->gpa), ull(o->ram_bytes),
                       ull(o->ram_base));
    im->segments[im->n_segments++] = *segment;
    if (segment->gpa + segment->memory_bytes > im->end)
        im->end = segment->gpa + segment->memory_bytes;
    return true;
}

/* ---- gzip -------------------------------------------------------------------------------------------- */

/* Inflate to memory of the image; the size is bounded by the guest's RAM, where it must go. */
static bool inflate_file(image *im, const uint8_t **bytes, uint64_t *length, const char *path,
                         uint64_t limit, pb_error *error)
{
    z_stream z = { .next_in = (uint8_t *)*bytes, .avail_in = (uInt)*length };
    uint64_t capacity = *length * 4 + 4096;
    int result = *length > UINT32_MAX ? Z_DATA_ERROR : inflateInit2(&z, 16 + MAX_WBITS);

    if (result != Z_OK)
        return pb_fail(error, "%s: cannot begin to decompress it", path);
    while (result == Z_OK) {
        uint8_t *grown;

        capacity = capacity < limit ? capacity : limit;
        grown = z.total_out < capacity ? realloc(im->inflated, capacity) : NULL;
        if (!grown) {
            inflateEnd(&z);
            return pb_fail(error, "%s: decompressed it is larger than RAM (%#llx bytes)", path,
                           ull(limit));
        }
        im->inflated = grown;
        z.next_out = im->inflated + z.total_out;
        z.avail_out =
            (uInt)(capacity - z.total_out < UINT32_MAX ? capacity - z.total_out : UINT32_MAX);
        result = inflate(&z, Z_NO_FLUSH);
        if (result == Z_BUF_ERROR && z.avail_in == 0)
            break; /* the input ended too early */
        if (z.avail_out == 0)
            capacity *= 2;
        if (result == Z_BUF_ERROR)
            result = Z_OK;
    }
    *length = z.total_out;
    *bytes = im->inflated;
    inflateEnd(&z);
    if (result == Z_STREAM_END)
        return true;
    return pb_fail(error, "%s: the compressed data is %s", path,
                   result == Z_DATA_ERROR ? "damaged" : "truncated");
}

/* ---- ELF ------------------------------------------------------------------------------------------------ */

static bool examine_elf(image *im, const uint8_t *bytes, uint64_t length, const char *path,
                        const image_options *o, pb_error *error)
{
    Elf64_Ehdr header;

    if (length < sizeof(header))
        return pb_fail(error, "%s: the ELF header is truncated", path);
    memcpy(&header, bytes, sizeof(header));
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_machine != EM_AARCH64)
        return pb_fail(error, "%s is an ELF file, but not for little-endian AArch64", path);
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return pb_fail(error, "%s is an ELF file, but not an executable", path);
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > length ||
        header.e_phnum > (length - header.e_phoff) / sizeof(Elf64_Phdr))
        return pb_fail(error, "%s: the program headers lie outside the file", path);
    for (uint32_t i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr p;

        memcpy(&p, bytes + header.e_phoff + i * sizeof(p), sizeof(p));
        if (p.p_type != PT_LOAD || p.p_memsz == 0)
            continue;
        if (p.p_offset > length || p.p_filesz > length - p.p_offset || p.p_filesz > p.p_memsz)
            return pb_fail(error, "%s: segment %u lies outside the file: truncated?", path, i);
        if (!add_segment(im,
                         &(image_segment){ p.p_paddr, bytes + p.p_offset, p.p_filesz, p.p_memsz },
                         path, o, error))
            return false;
    }
    im->entry = header.e_entry;
    return im->n_segments || pb_fail(error, "%s has nothing to load", path);
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

/* How long the file must be by the section table of its PE header, which kernels with an EFI stub have
 * (PE format: COFF header behind the signature, sections behind the optional header). 0: there is none. */
static uint64_t pe_length(const arm64_header *header, const uint8_t *bytes, uint64_t length)
{
    uint64_t pe = header->res5, sections, wanted = 0;
    uint32_t n;

    if (bytes[0] != 'M' || bytes[1] != 'Z' || pe > length || length - pe < 24 ||
        le32(bytes + pe) != 0x4550)
        return 0;
    n = le32(bytes + pe + 4) >> 16;
    sections = pe + 24 + (le32(bytes + pe + 20) & 0xffff);
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
    /* Kernels before 3.17 have no image_size and a fixed text_offset. */
    uint64_t size = header->image_size ? header->image_size : length;
    uint64_t offset = header->image_size ? header->text_offset : 0x80000;
    uint64_t base = (o->ram_base + 2 * MIB - 1) & ~(2 * MIB - 1);

    if (header->flags & ARM64_BIG_ENDIAN)
        return pb_fail(error, "%s is a big-endian kernel, which this loader does not start", path);
    if (length < pe_length(header, bytes, length))
        return pb_fail(error, "%s is truncated: its header promises %llu bytes, the file has %llu",
                       path, ull(pe_length(header, bytes, length)), ull(length));
    if (size < length)
        return pb_fail(error, "%s is damaged: its header promises %llu bytes, the file has %llu",
                       path, ull(size), ull(length));
    im->entry = base + offset;
    return add_segment(im, &(image_segment){ im->entry, bytes, length, size }, path, o, error);
}

bool image_examine(image *im, const uint8_t *bytes, uint64_t length, const char *path,
                   const image_options *o, pb_error *error)
{
    arm64_header header;

    if (length == 0)
        return pb_fail(error, "%s is empty", path);
    if (length >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b &&
        !inflate_file(im, &bytes, &length, path, o->ram_bytes, error))
        return false;
    if (length >= SELFMAG && !memcmp(bytes, ELFMAG, SELFMAG))
        return examine_elf(im, bytes, length, path, o, error);
    if (is_arm64_image(bytes, length, &header))
        return examine_arm64(im, &header, bytes, length, path, o, error);
    if (o->raw_address == UINT64_MAX)
        return pb_fail(error,
                       "%s is not a kernel: expected an arm64 Image, an ELF file or a gzip of one "
                       "(a raw image needs raw-address)",
                       path);
    im->entry = o->raw_address;
    return add_segment(im, &(image_segment){ o->raw_address, bytes, length, length }, path, o,
                       error);
}
