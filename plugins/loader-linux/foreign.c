/*
 * Files that are taken for kernels, and are something else: told by their first bytes, so that the user hears what it is.
 */
#include "image.h"

#define MAGIC(offset_, text) (offset_), sizeof(text) - 1, (text)

/* The first row that fits is it. */
static const struct {
    uint32_t offset, bytes;
    const char *magic, *name;
} kinds[] = {
    { MAGIC(0x202, "HdrS"), "an x86 kernel (bzImage)" },
    { MAGIC(0x24, "\x18\x28\x6f\x01"), "a 32-bit Arm kernel (zImage)" },
    { MAGIC(0x38, "RSC\x05"), "a RISC-V kernel (Image)" },
    { MAGIC(0x38, "\xcd\x23\x82\x81"), "a LoongArch kernel (Image)" },
    { MAGIC(4, "zimg"), "an EFI zboot image, which only EFI firmware unpacks" },
    { MAGIC(0, "\x27\x05\x19\x56"), "a U-Boot image (uImage)" },
    { MAGIC(0, "\xd0\x0d\xfe\xed"), "a device tree or a FIT image" },
    { MAGIC(0, "ANDROID!"), "an Android boot image" },
    { MAGIC(0, "070701"), "a cpio archive, perhaps an initial RAM disk" },
    { MAGIC(0, "QFI\xfb"), "a qcow2 disk image" },
    { MAGIC(0, "\xfd"
               "7zXZ"),
      "a file compressed with xz" },
    { MAGIC(0, "\x28\xb5\x2f\xfd"), "a file compressed with zstd" },
    { MAGIC(0, "\x04\x22\x4d\x18"), "a file compressed with lz4" },
    { MAGIC(0, "\x02\x21\x4c\x18"), "a file compressed with lz4" },
    { MAGIC(0, "\x89LZO"), "a file compressed with lzop" },
    { MAGIC(0, "BZh"), "a file compressed with bzip2" },
    { MAGIC(0, "\x5d\x00\x00"), "a file compressed with lzma" },
    { MAGIC(0, "!<arch>\n"), "an archive of object files, or a Debian package" },
};

const char *image_foreign_name(const uint8_t *bytes, uint64_t length)
{
    for (size_t i = 0; i < PB_ARRAY_SIZE(kinds); i++) {
        if (length >= (uint64_t)kinds[i].offset + kinds[i].bytes &&
            !memcmp(bytes + kinds[i].offset, kinds[i].magic, kinds[i].bytes))
            return kinds[i].name;
    }
    return NULL;
}
