// SPDX-License-Identifier: GPL-2.0

//! `/dev/pinned_buffer_rust`: the files, and their ioctls.

use crate::buffer::Buffer;
use kernel::{
    capability::{
        capable,
        Capability, //
    },
    fs::File,
    ioctl::{
        _IOW,
        _IOWR, //
    },
    miscdevice::{
        MiscDevice,
        MiscDeviceRegistration, //
    },
    new_mutex,
    prelude::*,
    sync::Mutex,
    uaccess::UserSlice, //
};

/// The structures of pinned_buffer.h have nothing but numbers of 64 bits.
type Pin = [u64; 3];
type Ranges = [u64; 4];
type Copy = [u64; 3];

const MAGIC: u32 = 'P' as u32;
const IOC_PIN: u32 = _IOW::<Pin>(MAGIC, 0xa0);
const IOC_RANGES: u32 = _IOWR::<Ranges>(MAGIC, 0xa1);
const IOC_READ: u32 = _IOW::<Copy>(MAGIC, 0xa2);
const IOC_WRITE: u32 = _IOW::<Copy>(MAGIC, 0xa3);

const WRITABLE: u64 = 1 << 0;

/// An open file, and the buffer that it holds.
#[pin_data]
pub(crate) struct BufferDevice {
    #[pin]
    buffer: Mutex<Option<Buffer>>,
}

#[vtable]
impl MiscDevice for BufferDevice {
    type Ptr = core::pin::Pin<KBox<Self>>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<Self::Ptr> {
        KBox::pin_init(
            pin_init!(Self {
                buffer <- new_mutex!(None),
            }),
            GFP_KERNEL,
        )
    }

    fn ioctl(me: core::pin::Pin<&Self>, _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        let arg = UserPtr::from_addr(arg);

        match cmd {
            IOC_PIN => me.pin(read(arg)?)?,
            IOC_RANGES => me.ranges(read(arg)?, arg)?,
            IOC_READ => me.copy(read(arg)?, Buffer::read)?,
            IOC_WRITE => me.copy(read(arg)?, Buffer::write)?,
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }
}

impl BufferDevice {
    fn pin(&self, [addr, len, flags]: Pin) -> Result {
        let mut buffer = self.buffer.lock();

        if flags & !WRITABLE != 0 || len == 0 {
            return Err(EINVAL);
        }
        if buffer.is_some() {
            return Err(EBUSY);
        }
        *buffer = Some(Buffer::pin(user(addr)?, size(len)?, flags & WRITABLE != 0)?);
        Ok(())
    }

    fn ranges(&self, [first, max, to, _]: Ranges, arg: UserPtr) -> Result {
        if !capable(Capability::SYS_ADMIN) {
            return Err(EPERM);
        }

        let buffer = self.buffer.lock();
        let buffer = buffer.as_ref().ok_or(ENXIO)?;
        let mut to = user(to)?;
        // A number that does not fit is beyond the end, or room enough for anything.
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        let max = usize::try_from(max).unwrap_or(usize::MAX);

        let nr = buffer.ranges(first, max, |range| {
            // A physical address has 64 bits wherever there is fast_gup.
            let entry: [u64; 2] = [range.addr, range.len as u64];

            write(to, &entry)?;
            to = to.wrapping_byte_add(size_of_val(&entry));
            Ok(())
        })?;
        write(arg.wrapping_byte_add(3 * size_of::<u64>()), &(nr as u64))
    }

    fn copy(
        &self,
        [offset, len, with]: Copy,
        copy: impl FnOnce(&Buffer, usize, UserSlice) -> Result,
    ) -> Result {
        let buffer = self.buffer.lock();
        let buffer = buffer.as_ref().ok_or(ENXIO)?;
        let beyond = |_| EINVAL;

        copy(
            buffer,
            usize::try_from(offset).map_err(beyond)?,
            UserSlice::new(user(with)?, usize::try_from(len).map_err(beyond)?),
        )
    }
}

fn read<const N: usize>(from: UserPtr) -> Result<[u64; N]> {
    UserSlice::new(from, size_of::<[u64; N]>()).reader().read()
}

fn write<T: kernel::transmute::AsBytes>(to: UserPtr, value: &T) -> Result {
    UserSlice::new(to, size_of::<T>()).writer().write(value)
}

fn user(addr: u64) -> Result<UserPtr> {
    usize::try_from(addr)
        .map(UserPtr::from_addr)
        .map_err(|_| EFAULT)
}

fn size(len: u64) -> Result<usize> {
    usize::try_from(len).map_err(|_| EOVERFLOW)
}
