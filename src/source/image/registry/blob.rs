//! Layers as the registry has them: several at once, each hashed and synced while it is written,
//! and hashed once more as it unpacks.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread;

use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, Url};

use super::RegistryError;
use super::attempts::{Attempts, Failure};
use super::client::Client;
use super::sink::{self, Sink, Stop};
use super::transport::shown;
use crate::digest::Sha256;
use crate::error::{Cancelled, IoContext};
use crate::monitor::{Linked, Monitor, Task};
use crate::source::image::ImageError;
use crate::source::image::raw::{RawFolder, RawImage, StoredBlob};

/// How many layers arrive at the same time, as with Docker.
const AT_ONCE: usize = 3;
/// A blob to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) digest: Sha256,
    pub(super) size: u64,
    diff_id: Sha256,
}

/// The layers of all images, each once.
pub(super) fn jobs(images: &[RawImage]) -> Result<Vec<Job>, ImageError> {
    let mut jobs: BTreeMap<Sha256, Job> = BTreeMap::new();
    for layer in images.iter().flat_map(|image| &image.layers) {
        let job = Job {
            digest: layer.digest,
            size: layer.size,
            diff_id: layer.diff_id,
        };
        let known = jobs.entry(layer.digest).or_insert(job);
        if *known != job {
            return Err(ImageError::Malformed {
                part: format!("sha256:{}", layer.digest),
                problem: "two layers are said to be it, of different size or content".to_owned(),
            });
        }
    }
    let total = jobs
        .values()
        .try_fold(0_u64, |total, job| total.checked_add(job.size));
    if total.is_none() {
        return Err(ImageError::Malformed {
            part: "the image's manifest".to_owned(),
            problem: "its layers are larger than anything".to_owned(),
        });
    }
    Ok(jobs.into_values().collect())
}

/// Fetches the blobs into the folder.
pub(super) fn download(
    client: &Client<'_>,
    jobs: Vec<Job>,
    folder: &RawFolder,
    task: &Task<'_>,
    monitor: &dyn Monitor,
) -> Result<Vec<StoredBlob>, ImageError> {
    // When one fails, the others stop too; what failed first is what to tell.
    let linked = Linked::new(monitor);
    let workers = jobs.len().min(AT_ONCE);
    let queue = Mutex::new(jobs.into_iter());
    let done = Mutex::new(Vec::new());
    let failure = Mutex::new(None);
    let work = |client: &Client<'_>| {
        loop {
            let job = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(job) = job else { return Ok(()) };
            let transfer = Transfer {
                client,
                job,
                task,
                monitor: &linked,
            };
            let blob = transfer.run(folder)?;
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(blob);
        }
    };
    let end = |result: Result<(), ImageError>| {
        if let Err(error) = result {
            let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert(error);
            linked.stop();
        }
    };
    thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| end(client.another().and_then(|client| work(&client))));
        }
        end(work(client));
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// One blob on its way.
struct Transfer<'a> {
    client: &'a Client<'a>,
    job: Job,
    task: &'a Task<'a>,
    monitor: &'a dyn Monitor,
}

impl Transfer<'_> {
    fn run(&self, folder: &RawFolder) -> Result<StoredBlob, ImageError> {
        let path = folder.blob(&self.job.digest);
        let file = RawFolder::create(&path)?;
        let is_plain = self.job.digest == self.job.diff_id;
        let packed = (!is_plain).then(|| format!("sha256:{}", self.job.digest));
        let (received, landed) =
            sink::with_sink(&file, packed.as_deref(), |sink| self.receive(sink));
        if let Err(Stop::Failed(error)) = received {
            return Err(error);
        }
        landed.written.at("write", &path)?;
        // Wrong bytes are to be told as such, not as what they unpack to.
        self.require_digest(landed.digest)?;
        self.require_unpacked(landed.unpacked)?;
        // A stop may have been asked for while the disk was waited for.
        if self.monitor.is_cancelled() {
            return Err(Cancelled.into());
        }
        Ok(StoredBlob {
            digest: self.job.digest,
            size: self.job.size,
            uncompressed: (!is_plain).then_some(self.job.diff_id),
        })
    }

    fn url(&self) -> Result<Url, ImageError> {
        let name = format!("sha256:{}", self.job.digest);
        self.client.url("blobs", &name)
    }

    /// What arrived is what was asked for.
    fn require_digest(&self, found: Sha256) -> Result<(), ImageError> {
        if found == self.job.digest {
            return Ok(());
        }
        let error = RegistryError::Digest {
            url: shown(&self.url()?),
            expected: self.job.digest,
            found,
        };
        Err(error.into())
    }

    /// What the blob unpacked to, if it is packed, is what the config says.
    fn require_unpacked(
        &self,
        unpacked: Option<Result<Sha256, ImageError>>,
    ) -> Result<(), ImageError> {
        match unpacked.transpose()? {
            Some(found) if found != self.job.diff_id => Err(ImageError::Digest {
                part: format!("sha256:{}, uncompressed", self.job.digest),
                expected: self.job.diff_id,
                found,
            }),
            _ => Ok(()),
        }
    }

    /// Receives the blob, going on where it broke off.
    fn receive(&self, sink: &mut Sink) -> Result<(), Stop> {
        let url = self.url()?;
        let name = format!("sha256:{}", self.job.digest);
        let mut attempts = Attempts::new();
        while sink.received() < self.job.size || attempts.is_first() {
            let from = sink.received();
            let failure = match self.client.get(&url, &name, &[], from, self.monitor) {
                Ok(response) => match self.take(&url, response, sink)? {
                    None => break,
                    Some(failure) => failure,
                },
                Err(failure) => failure,
            };
            attempts.after(failure, sink.received(), self.monitor)?;
        }
        Ok(())
    }

    /// Takes one response's body; a failure that may pass if it broke off.
    fn take(
        &self,
        url: &Url,
        mut response: Response,
        sink: &mut Sink,
    ) -> Result<Option<Failure>, Stop> {
        let from = self.start(url, &response, sink.received())?;
        // A server that begins anew sends again what is there already.
        let mut skip = sink.received() - from;
        let mut position = from;
        loop {
            let chunk = match self.client.chunk(url, &mut response, self.monitor) {
                Ok(Some(chunk)) => chunk,
                Ok(None) if position == self.job.size => return Ok(None),
                Ok(None) | Err(Failure::Passing { .. }) => {
                    return Ok(Some(Failure::passing(RegistryError::Cut {
                        url: shown(url),
                        received: position,
                        expected: self.job.size,
                    })));
                }
                Err(Failure::Lasting(error)) => return Err(error.into()),
            };
            position += chunk.len() as u64;
            if position > self.job.size {
                return Err(self.too_long(url).into());
            }
            let known = skip.min(chunk.len() as u64);
            skip -= known;
            let known = usize::try_from(known).unwrap_or(chunk.len());
            let fresh = chunk.slice(known..);
            self.task.advance(fresh.len() as u64)?;
            sink.accept(&fresh)?;
        }
    }

    /// The byte with which a response begins.
    fn start(&self, url: &Url, response: &Response, asked: u64) -> Result<u64, ImageError> {
        let from = if response.status() == 206 {
            let range = response.headers().get(CONTENT_RANGE);
            let range = range
                .and_then(|value| value.to_str().ok())
                .and_then(|text| {
                    let (from, _) = text.strip_prefix("bytes ")?.split_once('-')?;
                    from.trim().parse::<u64>().ok()
                });
            range.filter(|from| *from <= asked)
        } else {
            Some(0)
        };
        let from = from.ok_or_else(|| ImageError::Malformed {
            part: shown(url),
            problem: "it goes on elsewhere than asked".to_owned(),
        })?;
        if let Some(length) = response.content_length()
            && from.saturating_add(length) != self.job.size
        {
            return Err(ImageError::Size {
                part: shown(url),
                expected: self.job.size,
                found: from.saturating_add(length),
            });
        }
        Ok(from)
    }

    fn too_long(&self, url: &Url) -> ImageError {
        let limit = self.job.size;
        let url = shown(url);
        RegistryError::TooLong { url, limit }.into()
    }
}
