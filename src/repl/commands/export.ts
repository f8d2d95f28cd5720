import { HexzError } from '../../engine/errors.js';
import { refuseServedFile } from '../files.js';
import { facts } from '../rendering/rendering.js';
import { formatBytes, formatOffset } from '../rendering/values.js';
import { writeWhole } from '../wholeFile.js';
import { defineCommand, flag, required } from './definition.js';
import { fileKind, lengthKind, offsetKind, streamKind } from './kinds.js';
import { placeOf, placeOptions, readWhole, type Stretch } from './place.js';

export const exportCommand = defineCommand({
  name: 'export',
  group: 'Look',
  summary: 'Writes bytes of a stream into a file',
  details: [
    'The file takes its name when it is complete. Addresses that no range of a memory holds are refused, because a file would show zeros in their place; `--holes` says that it may, and leaves holes. A stretch that goes beyond the end of the stream is refused.',
  ],
  examples: ['export disk 0 1M boot.img', 'export memory 0 end memory.raw --holes'],
  arguments: {
    stream: required(streamKind, 'where to look'),
    offset: required(offsetKind, 'where to begin'),
    length: required(lengthKind, 'how many bytes'),
    file: required(fileKind, 'what to write'),
  },
  options: {
    force: flag('replace an existing file'),
    holes: flag('leave holes for what is not present'),
    ...placeOptions,
  },
  async run({ session, signal, onProgress }, values) {
    const { stream, offset, length, file, force, holes } = values;
    const stretches = readWhole(session.client, placeOf(values), offset, length, signal);
    let absentBytes = 0;
    await refuseServedFile(session.client, file);
    const written = await writeWhole(file, force, async (output) => {
      for await (const stretch of stretches) {
        const at = stretch.offset - offset;
        if (stretch.bytes === undefined) {
          if (!holes) throw notPresent(stretch);
          absentBytes += stretch.length;
        } else {
          await output.write(stretch.bytes, at);
        }
        onProgress({ doneBytes: at, totalBytes: length });
      }
      return length;
    });
    session.cursors.set(stream, offset + written);
    return { offset, length: written, absentBytes, file };
  },
}).shownAs(
  facts(({ offset, length, absentBytes, file }) => [
    ['file', file],
    ['offset', formatOffset(offset), offset],
    ['length', formatBytes(length), length],
    ...(absentBytes === 0 ? [] : [['not present', formatBytes(absentBytes), absentBytes] as const]),
  ]),
);

const notPresent = ({ offset, length }: Stretch): HexzError =>
  new HexzError(
    'UNREADABLE',
    `${formatBytes(length)} from ${formatOffset(offset)} on are not present`,
    {
      hint: '--holes leaves holes for them',
    },
  );
