// Requests to the server; an error has the server's one line as its message.

export async function call(method, path, body) {
  let answer;
  try {
    const data = body === undefined || body instanceof Blob ? body : JSON.stringify(body);
    answer = await fetch(path, { method, body: data ?? (method === "GET" || method === "DELETE" ? undefined : "") });
  } catch {
    throw new Error("the server does not answer: start it again with `thesis serve`");
  }
  if (answer.status === 204) return null;
  const found = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(found.error), { status: answer.status });
  return found;
}

// With XMLHttpRequest, because fetch does not report how much of a file is sent.
export function upload(file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `api/sessions?name=${encodeURIComponent(file.name)}`);
    request.upload.onprogress = (event) => onProgress(event.loaded / Math.max(1, event.total));
    request.onerror = () => reject(new Error("the upload was broken off: try again"));
    request.onload = () => {
      const found = JSON.parse(request.responseText);
      if (request.status === 201) resolve(found);
      else reject(new Error(found.error));
    };
    request.send(file);
  });
}
