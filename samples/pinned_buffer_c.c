// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that holds a buffer of its user, as one does whose device works on
 * it.  pinned_buffer.h says what it offers; pinned_buffer_rust.rs is the same in
 * Rust.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/gup_owner.h>
#include <linux/gup_ranges.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "pinned_buffer.h"

/* Ranges to allocate at once, while it is not known how many there will be. */
#define BATCH	128UL

/* An open file, and the buffer that it holds: none if @len is 0. */
struct pinned_buffer {
	struct mutex lock;		/* protects what follows */
	struct gup_owner owner;
	struct gup_range *ranges;
	unsigned long nr_ranges;
	size_t offset;			/* of the first byte in its page */
	size_t len;
	bool writable;
};

static void buffer_release(struct pinned_buffer *buffer)
{
	unpin_user_ranges(buffer->ranges, buffer->nr_ranges, buffer->writable);
	gup_owner_uncharge(&buffer->owner);
	kvfree(buffer->ranges);
	buffer->ranges = NULL;
	buffer->nr_ranges = 0;
	buffer->len = 0;
}

/* Pins all of it, as ranges that are part of @buffer as soon as they are pinned. */
static int buffer_pin_ranges(struct pinned_buffer *buffer, unsigned long addr,
			     size_t len)
{
	unsigned int flags = FOLL_LONGTERM | (buffer->writable ? FOLL_WRITE : 0);
	struct gup_cursor cursor = { .addr = addr };
	unsigned long room = 0;
	struct gup_range *ranges;
	long nr;

	while (cursor.addr != addr + len) {
		if (buffer->nr_ranges == room) {
			room = max(2 * room, BATCH);
			ranges = kvrealloc(buffer->ranges,
					   array_size(room, sizeof(*ranges)),
					   GFP_KERNEL_ACCOUNT);
			if (!ranges)
				return -ENOMEM;
			buffer->ranges = ranges;
		}
		nr = pin_user_ranges_fast(&cursor, addr + len - cursor.addr, flags,
					  buffer->ranges + buffer->nr_ranges,
					  room - buffer->nr_ranges);
		if (nr <= 0)
			return nr ?: -EFAULT;
		buffer->nr_ranges += nr;
	}
	return 0;
}

static int buffer_pin(struct pinned_buffer *buffer,
		      const struct pinned_buffer_pin *pin)
{
	unsigned long addr = pin->addr, end;
	size_t len = pin->len;
	unsigned long nr_pages;
	int ret;

	if (pin->flags & ~(u64)PINNED_BUFFER_WRITABLE || !pin->len)
		return -EINVAL;
	if (buffer->len)
		return -EBUSY;
	if (addr != pin->addr)
		return -EFAULT;
	addr = untagged_addr(addr);
	if (len != pin->len || check_add_overflow(addr, len, &end) ||
	    end > PAGE_MASK)
		return -EOVERFLOW;

	/* Before anything is pinned: all of it may be, or nothing is. */
	nr_pages = DIV_ROUND_UP(offset_in_page(addr) + len, PAGE_SIZE);
	ret = gup_owner_charge(&buffer->owner, THIS_MODULE, KBUILD_MODNAME,
			       nr_pages);
	if (ret)
		return ret;

	buffer->writable = pin->flags & PINNED_BUFFER_WRITABLE;
	ret = buffer_pin_ranges(buffer, addr, len);
	if (ret) {
		buffer_release(buffer);
		return ret;
	}

	buffer->offset = offset_in_page(addr);
	buffer->len = len;
	gup_owner_holds(&buffer->owner, buffer->nr_ranges, nr_pages);
	return 0;
}

static int buffer_ranges(struct pinned_buffer *buffer,
			 const struct pinned_buffer_ranges *ranges,
			 struct pinned_buffer_ranges __user *user)
{
	struct pinned_buffer_range __user *to = u64_to_user_ptr(ranges->ranges);
	size_t skip = buffer->offset, left = buffer->len;
	unsigned long i;
	u64 nr = 0;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (!buffer->len)
		return -ENXIO;

	for (i = 0; i < buffer->nr_ranges && nr < ranges->max; i++) {
		const struct gup_range *range = &buffer->ranges[i];
		size_t bytes = min((range->nr_pages << PAGE_SHIFT) - skip, left);
		struct pinned_buffer_range out = {
			.addr = page_to_phys(range->page) + skip,
			.len = bytes,
		};

		skip = 0;
		left -= bytes;
		if (i < ranges->first)
			continue;
		if (copy_to_user(to++, &out, sizeof(out)))
			return -EFAULT;
		nr++;
	}
	return put_user(nr, &user->nr);
}

static int buffer_copy(struct pinned_buffer *buffer,
		       const struct pinned_buffer_copy *copy, bool write)
{
	const struct gup_range *range = buffer->ranges;
	struct iov_iter with;
	size_t skip;
	u64 end;

	if (!buffer->len)
		return -ENXIO;
	if (write && !buffer->writable)
		return -EBADF;
	if (check_add_overflow(copy->offset, copy->len, &end) || end > buffer->len)
		return -EINVAL;

	iov_iter_ubuf(&with, write ? ITER_SOURCE : ITER_DEST,
		      u64_to_user_ptr(copy->with), copy->len);
	skip = buffer->offset + copy->offset;
	for (; iov_iter_count(&with); range++) {
		size_t bytes = range->nr_pages << PAGE_SHIFT;
		size_t piece, copied;

		if (skip >= bytes) {
			skip -= bytes;
			continue;
		}
		/* All in one folio, through which these functions go by themselves. */
		piece = min(bytes - skip, iov_iter_count(&with));
		if (write)
			copied = copy_page_from_iter(range->page, skip, piece, &with);
		else
			copied = copy_page_to_iter(range->page, skip, piece, &with);
		if (copied != piece)
			return -EFAULT;
		skip = 0;
	}
	return 0;
}

static int buffer_open(struct inode *inode, struct file *file)
{
	struct pinned_buffer *buffer = kzalloc_obj(*buffer, GFP_KERNEL_ACCOUNT);

	if (!buffer)
		return -ENOMEM;
	mutex_init(&buffer->lock);
	file->private_data = buffer;
	return 0;
}

static int buffer_close(struct inode *inode, struct file *file)
{
	struct pinned_buffer *buffer = file->private_data;

	if (buffer->len)
		buffer_release(buffer);
	mutex_destroy(&buffer->lock);
	kfree(buffer);
	return 0;
}

static long buffer_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct pinned_buffer *buffer = file->private_data;
	void __user *user = (void __user *)arg;
	union {
		struct pinned_buffer_pin pin;
		struct pinned_buffer_ranges ranges;
		struct pinned_buffer_copy copy;
	} args;

	switch (cmd) {
	case PINNED_BUFFER_IOC_PIN:
	case PINNED_BUFFER_IOC_RANGES:
	case PINNED_BUFFER_IOC_READ:
	case PINNED_BUFFER_IOC_WRITE:
		break;
	default:
		return -ENOTTY;
	}
	if (copy_from_user(&args, user, _IOC_SIZE(cmd)))
		return -EFAULT;

	guard(mutex)(&buffer->lock);
	switch (cmd) {
	case PINNED_BUFFER_IOC_PIN:
		return buffer_pin(buffer, &args.pin);
	case PINNED_BUFFER_IOC_RANGES:
		return buffer_ranges(buffer, &args.ranges, user);
	default:
		return buffer_copy(buffer, &args.copy,
				   cmd == PINNED_BUFFER_IOC_WRITE);
	}
}

static const struct file_operations buffer_fops = {
	.owner		= THIS_MODULE,
	.open		= buffer_open,
	.release	= buffer_close,
	.unlocked_ioctl	= buffer_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice buffer_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "pinned_buffer_c",
	.fops	= &buffer_fops,
};
module_misc_device(buffer_device);

MODULE_DESCRIPTION("Sample: a driver that pins a buffer of its user, in C");
MODULE_AUTHOR("fast_gup developers");
MODULE_LICENSE("GPL");
