// SPDX-License-Identifier: GPL-2.0

//! `/dev/fast_gup`: get and pin ranges of one's own memory through a chosen entry point.
//!
//! For the kselftests and the benchmark. The interface is
//! [`include/uapi/linux/fast_gup.h`](srctree/include/uapi/linux/fast_gup.h).

use kernel::bindings;
use kernel::fs::File;
use kernel::ioctl::{_IOC_SIZE, _IOW, _IOWR};
use kernel::miscdevice::{MiscDevice, MiscDeviceOptions, MiscDeviceRegistration};
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::Mutex;
use kernel::uaccess::{UserPtr, UserSlice};

mod abi;
mod call;
mod held;
pub(crate) mod observe;
mod ranges;
mod stay;

use held::Held;

const MAGIC: u32 = 'G' as u32;
const IOC_INFO: u32 = _IOWR::<abi::Info>(MAGIC, 0x80);
const IOC_CALL: u32 = _IOWR::<abi::Call>(MAGIC, 0x81);
const IOC_RELEASE: u32 = _IOW::<abi::Release>(MAGIC, 0x82);
const IOC_COPY: u32 = _IOW::<abi::Copy>(MAGIC, 0x83);
const IOC_RANGES: u32 = _IOWR::<abi::Ranges>(MAGIC, 0x84);
const IOC_SPLIT: u32 = _IOWR::<abi::Split>(MAGIC, 0x85);
const IOC_PACK: u32 = _IOWR::<abi::Pack>(MAGIC, 0x86);
const IOC_BENCH: u32 = _IOWR::<abi::Bench>(MAGIC, 0x8f);
const IOC_STAY: u32 = _IOWR::<abi::Stay>(MAGIC, 0x90);

/// Registers the device.
pub(crate) fn register() -> impl PinInit<MiscDeviceRegistration<TestDevice>, Error> {
    MiscDeviceRegistration::register(MiscDeviceOptions { name: c"fast_gup" })
}

/// An open file of the device, and the pages that it holds.
#[pin_data]
pub(crate) struct TestDevice {
    #[pin]
    held: Mutex<Held>,
}

impl TestDevice {
    fn held(self: Pin<&Self>) -> &Mutex<Held> {
        &self.get_ref().held
    }
}

#[vtable]
impl MiscDevice for TestDevice {
    type Ptr = Pin<KBox<Self>>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<Pin<KBox<Self>>> {
        // Page frame numbers help an attacker of the memory itself: as in /proc/PID/pagemap.
        // SAFETY: There is no precondition.
        if !unsafe { bindings::capable(bindings::CAP_SYS_ADMIN as i32) } {
            return Err(EPERM);
        }
        KBox::pin_init(
            pin_init!(Self {
                held <- new_mutex!(Held::new()),
            }),
            GFP_KERNEL,
        )
    }

    fn ioctl(me: Pin<&Self>, _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        let arg = UserPtr::from_addr(arg);

        match cmd {
            IOC_INFO => abi::exchange(arg, |info: &mut abi::Info| call::info(info))?,
            IOC_CALL => abi::exchange(arg, |call| call::call(me.held(), call))?,
            IOC_RELEASE => {
                let release: abi::Release = abi::read(UserSlice::new(arg, _IOC_SIZE(cmd)))?;
                // The lock is not held while the pages are released, which may take a while.
                let pages = {
                    let mut held = me.held.lock();
                    if release.dirty() && !held.find(release.handle)?.may_be_dirtied() {
                        return Err(EBADF);
                    }
                    held.take(release.handle)?
                };
                pages.release(release.dirty());
            }
            IOC_COPY => {
                let copy: abi::Copy = abi::read(UserSlice::new(arg, _IOC_SIZE(cmd)))?;
                me.held.lock().find(copy.handle)?.copy(&copy)?;
            }
            IOC_RANGES => abi::exchange(arg, |call| ranges::call(me.held(), call))?,
            IOC_SPLIT => abi::exchange(arg, |split| ranges::split(me.held(), split))?,
            IOC_PACK => abi::exchange(arg, |pack| ranges::pack(me.held(), pack))?,
            IOC_BENCH => abi::exchange(arg, call::bench)?,
            IOC_STAY => abi::exchange(arg, stay::stay)?,
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }
}
