// A button that records the microphone: mono, 16-bit WAV, at whatever rate the browser has.
function wavBytes(chunks, rate) {
  const count = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (at, word) => [...word].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * count, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  text(36, "data"); view.setUint32(40, 2 * count, true);
  let at = 44;
  for (const chunk of chunks) {
    for (const sample of chunk) {
      view.setInt16(at, Math.round(32767 * Math.max(-1, Math.min(1, sample))), true);
      at += 2;
    }
  }
  return view;
}

const WORKLET = `registerProcessor("tap", class extends AudioWorkletProcessor {
  process(inputs) {
    if (inputs[0].length) this.port.postMessage(inputs[0][0].slice());
    return true;
  }
});`;

function render({ model, el }) {
  const button = document.createElement("button");
  button.className = "jupyter-button widget-button";
  button.textContent = "Record";
  el.append(button);
  let stop = null;
  button.addEventListener("click", async () => {
    if (stop) {
      stop();
      return;
    }
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      const context = new AudioContext();
      await context.audioWorklet.addModule(URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" })));
      const tap = new AudioWorkletNode(context, "tap");
      const chunks = [];
      tap.port.onmessage = (event) => chunks.push(event.data);
      context.createMediaStreamSource(stream).connect(tap).connect(context.destination);
      button.textContent = "Stop";
      stop = () => {
        stream.getTracks().forEach((track) => track.stop());
        context.close();
        model.set("wav", wavBytes(chunks, context.sampleRate));
        model.save_changes();
        button.textContent = "Record again";
        stop = null;
      };
    } catch (error) {
      button.textContent = `No microphone: ${error.message}`;
    }
  });
}

export default { render };
