import { expected } from '../native/errors';
import type { ByteSource } from './byte_source';
import { PickleTuple, type PickleValue, unpickle } from './pickle';
import { codecs } from './tensor_codec';
import { storageDtypes, TorchStorage, TorchTensor, torchGlobals } from './torch_tensors';
import { readZipEntries, type ZipEntry } from './zip';

/**
 * The tensors of a PyTorch checkpoint (`torch.save`, the zip format of PyTorch 1.6 and later) by
 * name; their elements are read from the source when asked for. Names lose what wrappers put before
 * them: 'module.' of DistributedDataParallel, '_orig_mod.' of torch.compile.
 *
 * The checkpoint is read, not run: see {@link unpickle}.
 *
 * @param key which of the checkpoint's dicts holds the parameters, such as 'model' or 'state.ema';
 * left out: the checkpoint itself where it holds tensors, else its 'model', 'state_dict' or 'module',
 * else the only dict with tensors
 * @throws FastWeightError ERR_CHECKPOINT for bytes that are no such checkpoint, that name anything but
 * tensors and plain data, or that leave open which dict is meant.
 */
export function torchTensors(source: ByteSource, key?: string): Map<string, TorchTensor> {
  return namedTensors(parameterDict(readPickle(source), key), source.size);
}

/** Above this a file is no list of parameters and their shapes. */
const mostPickleBytes = 1 << 28;

function readPickle(source: ByteSource): PickleValue {
  if (source.size >= 2 && source.read(0, 1)[0] === 0x80) {
    const remedy = 'Load it in PyTorch and save it again';
    const got = 'a bare pickle, as PyTorch before 1.6 wrote';
    throw expected('ERR_CHECKPOINT', 'a zip archive', 'the file', got, remedy);
  }
  const entries = readZipEntries(source);
  const name = [...entries.keys()].find((entry) => /^[^/]+\/data\.pkl$/.test(entry));
  const pickle = name === undefined ? undefined : entries.get(name);
  if (name === undefined || pickle === undefined) {
    throw expected('ERR_CHECKPOINT', 'an entry data.pkl', 'a PyTorch checkpoint', 'none');
  }
  const folder = name.slice(0, -'data.pkl'.length);
  checkByteOrder(source, entries.get(`${folder}byteorder`));
  if (pickle.length > mostPickleBytes) {
    throw expected('ERR_CHECKPOINT', `at most ${mostPickleBytes} bytes`, name, `${pickle.length}`);
  }
  return unpickle(source.read(pickle.begin, pickle.length), {
    globals: torchGlobals,
    persistent: (id) => storageOf(id, folder, source, entries),
  });
}

function checkByteOrder(source: ByteSource, entry: ZipEntry | undefined): void {
  if (entry === undefined || entry.length > 16) return;
  const order = new TextDecoder().decode(source.read(entry.begin, entry.length));
  if (order !== 'little') {
    throw expected('ERR_CHECKPOINT', "'little'", 'the byte order', `'${order}'`);
  }
}

/** The storage of ('storage', kind, key, device, length), as PyTorch writes it. */
function storageOf(
  id: PickleValue,
  folder: string,
  source: ByteSource,
  entries: ReadonlyMap<string, ZipEntry>,
): TorchStorage {
  const [tag, kind, key, , length] = id instanceof PickleTuple ? id.items : [];
  const name = (kind as { name?: string } | undefined)?.name ?? String(kind);
  const dtype = storageDtypes[name.replace('torch ', '')];
  if (tag !== 'storage' || dtype === undefined) {
    const kinds = Object.keys(storageDtypes).join(', ');
    throw expected('ERR_CHECKPOINT', `a storage (${kinds})`, 'a tensor', `'${name}'`);
  }
  const entry = entries.get(`${folder}data/${key}`);
  const bytes = Number(length) * codecs[dtype].size;
  if (entry === undefined || entry.length !== bytes) {
    const got = entry === undefined ? 'none' : `${entry.length}`;
    throw expected('ERR_CHECKPOINT', `${bytes} bytes`, `storage '${key}'`, got);
  }
  return new TorchStorage(dtype, Number(length), source, entry.begin);
}

type Dict = Map<PickleValue, PickleValue>;

const holdsTensors = (value: PickleValue): value is Dict =>
  value instanceof Map && [...value.values()].some((item) => item instanceof TorchTensor);

/** Where training scripts keep the parameters, likeliest first. */
const usualKeys = ['model', 'state_dict', 'module'];

function parameterDict(root: PickleValue, key: string | undefined): Dict {
  if (key !== undefined) return dictAt(root, key);
  if (holdsTensors(root)) return root;
  const dicts = new Map(
    root instanceof Map ? [...root].filter(([, value]) => holdsTensors(value)) : [],
  ) as Map<PickleValue, Dict>;
  const usual = usualKeys.find((name) => dicts.has(name));
  if (usual !== undefined) return dicts.get(usual) as Dict;
  if (dicts.size === 1) return [...dicts.values()][0];
  const got = dicts.size === 0 ? 'none' : [...dicts.keys()].map((name) => `'${name}'`).join(', ');
  const remedy = 'Say which one with its key';
  throw expected('ERR_CHECKPOINT', 'one dict of tensors', 'the checkpoint', got, remedy);
}

function dictAt(root: PickleValue, key: string): Dict {
  let value: PickleValue | undefined = root;
  for (const name of key.split('.')) value = value instanceof Map ? value.get(name) : undefined;
  if (value !== undefined && holdsTensors(value)) return value;
  throw expected('ERR_CHECKPOINT', 'a dict of tensors', `key '${key}'`, value ? 'none' : 'nothing');
}

const wrapperPrefix = /^(module\.|_orig_mod\.)+/;

/** Views may share a storage; but a file is not to unfold into many times its size. */
const mostSharing = 16;

function namedTensors(dict: Dict, fileBytes: number): Map<string, TorchTensor> {
  const tensors = new Map<string, TorchTensor>();
  let bytes = 0;
  for (const [key, value] of dict) {
    if (!(value instanceof TorchTensor)) continue;
    const name = String(key).replace(wrapperPrefix, '');
    if (tensors.has(name)) {
      throw expected('ERR_CHECKPOINT', 'each name once', 'the tensors', `'${name}' twice`);
    }
    tensors.set(name, value);
    bytes += value.byteLength;
  }
  if (bytes > mostSharing * fileBytes) {
    const expectation = `at most ${mostSharing} times the file's ${fileBytes} bytes`;
    throw expected('ERR_CHECKPOINT', expectation, 'all tensors together', `${bytes}`);
  }
  return tensors;
}
