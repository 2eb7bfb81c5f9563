//! Measures encoding and committing in a fresh network namespace: `load [elements [rounds]]`.
//!
//! A NAT map and a set of so many elements each. As root. With `plain` or `background` instead of
//! the rounds it commits once in the namespace it is in and closes the socket so, for measuring
//! the whole process from outside.
#![expect(unsafe_code, reason = "unshare(2) and a counting allocator")]
#![expect(clippy::print_stdout, reason = "it is a measurement")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dockfw_ir::name::{SetName, TableName};
use dockfw_ir::table::{Family, Ruleset, Table};
use dockfw_ir::value::DataType::{self, InetProto, InetService, Ipv4Addr as Address};
use dockfw_ir::{Element, Set, SetKind, Value, verify};
use dockfw_netlink::{Batch, Executor, Expect};

struct Counting;
static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's obligations are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: likewise.
        unsafe { System.dealloc(pointer, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

type Failure = Box<dyn std::error::Error>;

fn ruleset(count: u32) -> Result<Ruleset, Failure> {
    let size = Some((2 * count).next_power_of_two().max(1024));
    let (mut mappings, mut members) = (Vec::new(), Vec::new());
    for i in 0..count {
        let port = u16::try_from(i + 1)?;
        let to = Ipv4Addr::from(0xac12_0002 + i / 32);
        let key = Value::new().and_u8(6).and_port(port);
        mappings.push(Element::mapping(
            key,
            Value::new().and_ipv4(to).and_port(80),
        ));
        members.push(Element::member(
            Value::new().and_ipv4(to).and_u8(6).and_port(port),
        ));
    }
    let set = |name: &str, key: Vec<DataType>, kind, elements| -> Result<Set, Failure> {
        let name = SetName::new(name)?;
        Ok(Set {
            name,
            key,
            kind,
            interval: false,
            dynamic: false,
            counter: false,
            timeout: None,
            size,
            comment: None,
            elements,
        })
    };
    let nat = SetKind::Map(vec![Address, InetService]);
    let table = Table {
        family: Family::Inet,
        name: TableName::new("dockfw")?,
        comment: None,
        sets: vec![
            set("dnat4", vec![InetProto, InetService], nat, mappings)?,
            set(
                "allow4",
                vec![Address, InetProto, InetService],
                SetKind::Set,
                members,
            )?,
        ],
        chains: vec![],
    };
    Ok(Ruleset {
        tables: vec![table],
    })
}

fn median(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e3);
    (ms(times.get(times.len() / 2)), ms(times.first()))
}

fn report(what: &str, times: Vec<Duration>) {
    let (median, min) = median(times);
    println!("{what:42} {median:8.2} ms (min {min:.2})");
}

fn fresh_namespace() -> Result<(), Failure> {
    // SAFETY: no memory is involved.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(())
}

fn once(ruleset: &Ruleset, background: bool) -> Result<(), Failure> {
    let verified = verify::verify(ruleset.clone())
        .ok()
        .ok_or("refused by the verifier")?;
    let mut executor = Executor::open()?;
    executor.commit(&Batch::replace(&verified)?, Expect::Any)?;
    if background {
        executor.close_in_background();
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let count: u32 = arguments.next().map_or(Ok(60_000), |text| text.parse())?;
    let mut arguments = arguments.peekable();
    if let Some(mode) = arguments.next_if(|mode| mode == "plain" || mode == "background") {
        return once(&ruleset(count)?, mode == "background");
    }
    let rounds: usize = arguments.next().map_or(Ok(11), |text| text.parse())?;
    let verified = verify::verify(ruleset(count)?)
        .ok()
        .ok_or("refused by the verifier")?;

    let mut times = Vec::new();
    for _ in 0..rounds {
        let before = NOW.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let started = Instant::now();
        let batch = Batch::replace(&verified)?;
        times.push(started.elapsed());
        let peak = PEAK.load(Ordering::Relaxed) - before;
        if times.len() == rounds {
            let statistics = batch.statistics();
            println!("{statistics:?}");
            println!(
                "peak above input {:.2} MB",
                f64::from(u32::try_from(peak)?) / 1e6
            );
        }
    }
    report("encode", times);

    let batch = Batch::replace(&verified)?;
    let mut measured: [Vec<Duration>; 6] = Default::default();
    for _ in 0..rounds {
        fresh_namespace()?;
        let mut record = |index: usize, time: Duration| {
            if let Some(times) = measured.get_mut(index) {
                times.push(time);
            }
        };
        for step in [0, 2] {
            let started = Instant::now();
            let mut executor = Executor::open()?;
            let committed = executor.commit(&batch, Expect::Any)?;
            record(step, started.elapsed());
            record(step + 1, committed.kernel_time);
            let started = Instant::now();
            drop(executor);
            if step == 2 {
                record(4, started.elapsed());
            }
        }
        let mut executor = Executor::open()?;
        executor.commit(&batch, Expect::Any)?;
        let started = Instant::now();
        executor.close_in_background();
        record(5, started.elapsed());
    }
    let [
        load,
        load_kernel,
        replace,
        replace_kernel,
        close,
        background,
    ] = measured;
    report("load: open to acknowledgement", load);
    report("load: kernel", load_kernel);
    report("replace: open to acknowledgement", replace);
    report("replace: kernel", replace_kernel);
    report("close after a replacement", close);
    report("close in background after a replacement", background);
    Ok(())
}
